#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ingest/lane.h"

namespace bronze::ingest {

/// A matched topic that has no lane, though partitions of it are ours.
struct RefusedTopic {
  std::size_t partitions = 0;
  std::string reason;
};

/// What lanes that ended had done.
struct FormerLanes {
  std::uint64_t rows_committed = 0;
  std::uint64_t dead_letters = 0;
  std::uint64_t commits = 0;
  std::optional<SteadyTime> last_write;
};

/// What the service knows of itself at one moment.
struct IngestReport {
  SteadyTime started_at;
  SteadyTime last_turn;
  /// When a broker answered last; nullopt = none has yet.
  std::optional<SteadyTime> last_broker_answer;
  std::optional<UnixMicros> last_write;
  std::vector<LaneReport> lanes;
  FormerLanes former = {};
  std::map<std::string, RefusedTopic> refused = {};
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
