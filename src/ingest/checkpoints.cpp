#include "ingest/checkpoints.h"

#include <cstdlib>

namespace bronze::ingest {
namespace {

constexpr std::uint64_t k_default_interval = 100;

std::uint64_t checkpoint_interval(const delta::TableShape& shape) {
  const auto found = shape.configuration.find("delta.checkpointInterval");
  if (found == shape.configuration.end()) return k_default_interval;
  const std::uint64_t interval = std::strtoull(found->second.c_str(), nullptr, 10);
  return interval == 0 ? k_default_interval : interval;
}

}  // namespace

void Checkpoints::submit_if_due(delta::TableSink& table, const delta::TableShape& shape,
                                std::uint64_t version, const Submission& to) {
  const std::uint64_t interval = checkpoint_interval(shape);
  // Another writer may have taken the very multiple of the interval.
  if (runs_ || version / interval <= done_up_to_ / interval) return;
  done_up_to_ = version;
  runs_ = true;
  to.executor.submit(to.lane, k_checkpoint_strand,
                     make_job([&table, which = which_]() -> JobOutcome {
                       return CheckpointWritten{which, table.checkpoint()};
                     }));
}

void Checkpoints::take(const CheckpointWritten& written) {
  if (written.table != which_) return;
  runs_ = false;
  if (written.outcome.ok()) {
    ++written_;
    return;
  }
  const bool of_rows = which_ == LaneTable::kRows;
  log_.tell(LogEvent::kCheckpointFailed,
            {.topic = topic_,
             .operation = of_rows ? "checkpoint" : "checkpoint_dead_letters",
             .reason = written.outcome.message},
            "{}: no checkpoint was written{}: {}", topic_,
            of_rows ? "" : " of the dead-letter table", written.outcome.message);
}

}  // namespace bronze::ingest
