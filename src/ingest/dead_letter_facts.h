#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "delta/table_sink.h"
#include "ingest/lane_table.h"

namespace bronze::ingest {

/// What the dead-letter table says of a topic.
struct DeadLetterFacts {
  std::uint64_t version = 0;
  delta::TableShape shape;
  /// Before which it has decided what is dead, by partition; absent = it has decided nothing.
  OffsetMap decided;
  /// Of the records that are not in the main table but before `decided`, those that are dead.
  std::map<Partition, std::vector<OffsetRange>> dead;
};

/// What is to be looked up.
struct DeadLetterQuestion {
  /// As the main table has it; the partitions of the topic, with and without progress.
  OffsetMap progress;
  /// The txn of each of these partitions.
  std::map<Partition, std::string> app_ids;
  /// Rows that were ingested before are of an older topic of this name.
  UnixMicros since = 0;
};

struct [[nodiscard]] DeadLetterLook {
  delta::StoreOutcome outcome;
  /// nullopt = there is no such table, and none is needed.
  std::optional<DeadLetterFacts> facts;
};

/// Loads the table. Blocks; whoever calls has the turn of the lane's tables.
///
/// REQUIRES: the main table was read before: a commit to it that comes later finds itself refused,
/// so what is decided here is never less than what holds.
[[nodiscard]] DeadLetterLook look_at_dead_letters(delta::TableSink& table, DeadLetterPolicy policy,
                                                  const DeadLetterQuestion& question);

/// What the dead-letter table has decided about the records of one partition. A value.
class Decided {
 public:
  Decided() = default;
  /// `dead`: in any order.
  Decided(Offset before, std::vector<OffsetRange> dead);

  /// Of records from here on nothing is decided.
  [[nodiscard]] Offset before() const { return before_; }
  /// REQUIRES: offset < before().
  [[nodiscard]] bool is_dead(Offset offset) const;

 private:
  Offset before_;
  /// Ascending, not touching each other.
  std::vector<OffsetRange> dead_;
};

/// Of a partition, by those facts; nullopt = nothing.
[[nodiscard]] std::optional<Offset> decided_before(const std::optional<DeadLetterFacts>& facts,
                                                   Partition partition);
/// Of a partition, by those facts.
[[nodiscard]] Decided decided(const std::optional<DeadLetterFacts>& facts, Partition partition);

}  // namespace bronze::ingest
