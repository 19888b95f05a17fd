#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "delta/table_sink.h"
#include "ingest/batch.h"
#include "ingest/commit_attempt.h"
#include "ingest/lane_table.h"

namespace bronze::ingest {

/// How far a lane's tables are before a batch, and what its commits are written for.
struct LaneProgress {
  std::string group;
  std::string topic;
  TopicIdentity identity = {};
  delta::TableShape shape = {};
  /// nullopt = there is no dead-letter table.
  std::optional<delta::TableShape> dead_letter_shape = {};
  /// Partitions without a txn in the table: nothing of them has been committed yet.
  std::set<Partition> without_progress = {};
  /// The txns of the dead-letter table; absent = there is none.
  OffsetMap dead_letters_decided = {};
  /// What Kafka no longer had when reading began, not committed yet.
  RangeMap gaps = {};

  /// Those that a batch of these ranges passes over.
  [[nodiscard]] RangeMap gaps_in(const RangeMap& ranges) const;
};

struct PlannedCommit {
  LaneTable table = LaneTable::kRows;
  CommitTask task;
};

/// The commits of a sealed batch, in their order: a dead letter is in its table before the main
/// table's progress passes its record. The files are still missing. Pure.
[[nodiscard]] std::vector<PlannedCommit> plan_commits(const Batch& batch,
                                                      const LaneProgress& progress,
                                                      DeadLetterPolicy policy,
                                                      Duration file_age_max);

}  // namespace bronze::ingest
