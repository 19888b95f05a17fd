#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "base/event_log.h"
#include "ingest/executor.h"
#include "ingest/lane_table.h"

namespace bronze::ingest {

/// Has the checkpoints of one table written as its versions pass the multiples of
/// `delta.checkpointInterval`. Owned by its lane; ingest thread.
class Checkpoints {
 public:
  /// `log` outlives it.
  Checkpoints(LaneTable which, std::string topic, EventLog& log)
      : which_(which), topic_(std::move(topic)), log_(log) {}

  /// What lies before has been seen to, unless that was said before.
  void begin_at(std::uint64_t version) {
    if (done_up_to_ == 0) done_up_to_ = version;
  }
  struct Submission {
    std::size_t lane = 0;
    Executor& executor;
  };
  /// Our own commit is in the table, which is of that shape, as `version`. The table outlives the
  /// job.
  void submit_if_due(delta::TableSink& table, const delta::TableShape& shape, std::uint64_t version,
                     const Submission& to);
  void take(const CheckpointWritten& written);
  /// Since the process started.
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  const LaneTable which_;
  const std::string topic_;
  EventLog& log_;
  bool runs_ = false;
  std::uint64_t done_up_to_ = 0;
  std::uint64_t written_ = 0;
};

}  // namespace bronze::ingest
