#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ingest/lane_report.h"
#include "ingest/memory_budget.h"

namespace bronze::ingest {

/// A matched topic that has no lane, though partitions of it are ours.
struct RefusedTopic {
  std::size_t partitions = 0;
  std::string reason;
};

/// What lanes have done, since the process started.
struct LaneTotals {
  std::uint64_t rows_committed = 0;
  std::uint64_t bytes_committed = 0;
  std::uint64_t messages_consumed = 0;
  DeadLetterTally dead_letters = {};
  std::uint64_t commits = 0;
  std::uint64_t checkpoints = 0;
  WriteCounts writes = {};
  std::optional<SteadyTime> last_write;

  void add(const LaneReport& lane) {
    rows_committed += lane.rows_committed;
    bytes_committed += lane.bytes_committed;
    messages_consumed += lane.messages_consumed;
    dead_letters.add(lane.dead_letters);
    checkpoints += lane.checkpoints;
    writes.add(lane.writes);
    last_write = std::max(last_write, lane.last_write);
  }
};

/// What the service knows of itself at one moment.
struct IngestReport {
  SteadyTime started_at;
  SteadyTime last_turn;
  /// When a broker answered last; nullopt = none has yet.
  std::optional<SteadyTime> last_broker_answer;
  std::optional<UnixMicros> last_write;
  /// Kafka has given us partitions, or none on purpose, and has not taken them all away since.
  bool assigned = false;
  std::uint64_t rebalances = 0;
  /// Why Kafka does not answer, when it does not; empty = not known.
  std::string kafka_trouble = {};
  /// Why the consumer group does not let us in; empty = it does, or has not said no.
  std::string group_trouble = {};
  /// For want of rights.
  bool group_denied = false;
  /// Why the store is not used yet; empty = it is.
  std::string store_trouble = {};
  /// That batches hold.
  std::uint64_t held_bytes = 0;
  Intake intake = Intake::kOpen;
  std::vector<LaneReport> lanes;
  /// Of lanes that ended.
  LaneTotals former = {};
  std::map<std::string, RefusedTopic> refused = {};

  /// Of all lanes there have been.
  [[nodiscard]] LaneTotals totals() const {
    LaneTotals sum = former;
    for (const LaneReport& lane : lanes) sum.add(lane);
    return sum;
  }
};

/// Where the ingest thread leaves its latest report and other threads read it.
class ReportBoard {
 public:
  /// Before the first report. Called with each, by who publishes it.
  void on_publish(std::function<void(const IngestReport&)> observer) {
    observer_ = std::move(observer);
  }
  void publish(IngestReport report) {
    if (observer_) observer_(report);
    const std::lock_guard lock(mutex_);
    report_ = std::move(report);
  }
  [[nodiscard]] IngestReport latest() const {
    const std::lock_guard lock(mutex_);
    return report_;
  }

 private:
  std::function<void(const IngestReport&)> observer_;
  mutable std::mutex mutex_;
  /// Guarded by mutex_.
  IngestReport report_;
};

}  // namespace bronze::ingest
