#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/extra_columns.h"
#include "base/ids.h"
#include "base/policies.h"
#include "base/raw_value.h"
#include "base/start_policy.h"
#include "delta/table_sink.h"
#include "ingest/dead_letter_facts.h"
#include "ingest/progress.h"
#include "ingest/table_shape.h"
#include "kafka/message_source.h"

namespace bronze::ingest {

/// Where a registration lets a partition begin, and for people: why.
struct Origin {
  Offset offset;
  std::string reason;
};

/// All that decides where reading begins, looked up when partitions are assigned.
struct StartFacts {
  std::string topic;
  std::string group;
  TopicIdentity identity;
  /// Every partition of the topic, assigned or not.
  std::vector<Partition> all_partitions;
  OffsetMap earliest;
  OffsetMap latest;
  /// What the start policy says for each partition: KAFKA_START.
  OffsetMap policy;
  StartSource start_source = StartSource::kDefault;
  /// As they were before `table` was read: what the table then knew is no older.
  std::map<Partition, kafka::GroupOffset> group_offsets;
  delta::SnapshotView table;
  DeadLetterPolicy dead_letter_policy = DeadLetterPolicy::kNever;
  /// nullopt = there is no dead-letter table.
  std::optional<DeadLetterFacts> dead_letters;
  /// Asked only while the table does not know the topic.
  bool table_has_data_files = false;
  /// The greatest offset of each partition in the table's live files, whoever wrote them. Looked
  /// up only while the table does not know the topic, or when others may have written to it since;
  /// below `offsets_that_matter` it may be lower or absent.
  OffsetMap last_offsets;
  /// The newest log entry of the table has a txn of our group: nobody else wrote since our last
  /// commit. Looked up only once the table knows the topic; false = they did, or it is not known.
  bool newest_entry_is_ours = false;
  /// When the newest row of the table was ingested, by whatever clock that was. Looked up only when
  /// the topic may begin a new epoch; nullopt = there is no row.
  std::optional<UnixMicros> last_ingestion;
  Policies policies;
  /// What `_raw_value` is to hold.
  RawValue raw_value = RawValue::kString;
  /// The wall clock.
  UnixMicros now = 0;
  /// What the last registration of this process said.
  std::map<Partition, Origin> origins;
  /// What earlier looks at the table showed; "seen once and now absent" halts.
  std::optional<std::string> known_table_id;
  std::optional<std::string> known_dead_letters_id;
  std::set<std::string> known_app_ids;
};

/// The table must first learn of the topic, or of what others did since: one compare-and-swap
/// commit of these txns, which follows the very snapshot that they were worked out from.
struct RegisterTopic {
  std::vector<TxnStep> steps;
  std::map<Partition, Origin> origins;
  /// The table knows the topic already, and what others did is this; empty = it does not.
  std::string others = {};
  /// The id of the topic whose place this one takes; empty = the table knew none of its name.
  std::string replaces = {};
};

struct PartitionStart {
  Offset offset;
  /// What Kafka no longer has, from the table's progress to `offset`; nullopt = they are the same.
  std::optional<OffsetRange> gap = {};
  /// Whether the table has a txn of the partition: the first commit creates it otherwise.
  enum class Progress { kInTable, kAbsent } progress = Progress::kInTable;
  /// For people: why here.
  std::string reason;
};

/// Why a partition does not start.
struct PartitionHalt {
  std::string reason;
  /// True when asking again may help: the high watermark can step back at a failover.
  bool may_recover = false;
  /// Before which everything is in the table; nullopt = not known.
  std::optional<Offset> committed = {};
};

struct StartDecisions {
  std::map<Partition, std::variant<PartitionStart, PartitionHalt>> partitions;
};

/// No partition of the topic may be read.
struct HaltTopic {
  std::string reason;
};

/// The table cannot be written, and trying again will not help: the service must stop.
struct WriteRefused {
  std::string reason;
};

using Resolution = std::variant<RegisterTopic, StartDecisions, HaltTopic, WriteRefused>;

/// Where the `assigned` partitions begin. Pure.
[[nodiscard]] Resolution resolve(const StartFacts& facts, const std::set<Partition>& assigned);

/// Metadata of our Kafka commits: which table the offset belongs to.
[[nodiscard]] std::string commit_metadata(const std::string& table_id);

/// Whether such metadata is ours, of this table or another.
[[nodiscard]] bool names_a_table(const std::string& metadata);

}  // namespace bronze::ingest
