#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ingest/lane.h"

namespace bronze::ingest {

/// What the service knows of itself at one moment.
struct IngestReport {
  SteadyTime started_at;
  SteadyTime last_turn;
  /// When a broker answered last; nullopt = none has yet.
  std::optional<SteadyTime> last_broker_answer;
  std::optional<UnixMicros> last_write;
  std::vector<LaneReport> lanes;
};

/// Where the ingest thread leaves its latest report and other threads read it.
class ReportBoard {
 public:
  void publish(IngestReport report) {
    const std::lock_guard lock(mutex_);
    report_ = std::move(report);
  }
  [[nodiscard]] IngestReport latest() const {
    const std::lock_guard lock(mutex_);
    return report_;
  }

 private:
  mutable std::mutex mutex_;
  /// Guarded by mutex_.
  IngestReport report_;
};

}  // namespace bronze::ingest
