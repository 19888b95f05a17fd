#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/offset_set.h"
#include "delta/table_reader.h"
#include "kafka/cluster_look.h"
#include "kafka/gap_look.h"

namespace bronze::commands {

[[nodiscard]] inline std::uint64_t length(const OffsetRange& range) {
  return static_cast<std::uint64_t>(range.next.value - range.first.value);
}

/// What a table, its dead letters and its log say of one partition of one topic identity.
struct PartitionFacts {
  /// Offsets of the table's rows.
  OffsetSet rows;
  /// Offsets of the dead-letter table's rows.
  OffsetSet dead;
  /// Offsets of more than one row of the table.
  OffsetSet repeated;
  /// Offsets of more than one row of the dead-letter table.
  OffsetSet repeated_dead;
  /// Offsets that both have: replayed, or wrong.
  OffsetSet both;
  std::uint64_t row_count = 0;
  std::uint64_t dead_count = 0;
  /// The next offset, by the table's txn.
  std::optional<Offset> progress;
  /// The next offset of the dead letters, by the txn of their table.
  std::optional<Offset> dead_progress;
  /// How many dead letters were replayed, by the table's txn.
  std::uint64_t replayed = 0;
  /// Offsets that commits of the log say they replayed.
  OffsetSet stated_replays;
  /// How many they say: an offset whose row was deleted may be replayed again.
  std::uint64_t stated_replay_count = 0;
  /// Where the service began, by the entry that registered the topic.
  std::optional<Offset> begin;
  /// Offsets that commits of the log say they wrote.
  OffsetSet stated;
  /// Offsets that are another program's: before `begin`, and where a take-over moved progress on.
  OffsetSet others;
  /// Offsets that a commit says were lost before they could be read.
  OffsetSet skipped;
};

/// The rows of one topic identity. A table holds several when topics of one name came one after
/// the other; their offsets repeat.
struct EpochFacts {
  /// As txns spell it; empty = no txn names one.
  std::string identity;
  /// Its rows were ingested from then on.
  UnixMicros since = 0;
  /// The entry that registered it is in the log still.
  bool registration_seen = false;
  std::map<Partition, PartitionFacts> partitions;
};

/// Something that happened to several things: how many, and some of them by name.
struct Sample {
  std::uint64_t count = 0;
  std::vector<std::string> names;

  void add(const std::string& name) {
    constexpr std::size_t k_names_max = 10;
    ++count;
    if (names.size() < k_names_max) names.push_back(name);
  }
};

/// What came of reading one Delta table.
struct TableFacts {
  delta::StoreOutcome loaded;
  std::string directory;
  std::uint64_t version = 0;
  std::string id;
  /// Why its rows cannot be read by this program; empty = they can.
  std::string unreadable;
  /// Of listing the live files.
  delta::StoreOutcome listed;
  std::uint64_t files = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::uint64_t rows_without_offset = 0;
  /// Rows with an offset that no record can have: negative, or the greatest number.
  std::uint64_t rows_of_no_record = 0;
  Sample missing_files;
  Sample broken_files;
  /// Files that could not be read now.
  Sample unread_files;
  Sample files_of_other_size;
  Sample files_of_other_row_count;
  /// The sets outgrew the memory that they may take: nothing is said of offsets.
  bool out_of_memory = false;
};

/// What the log says.
struct LogFacts {
  delta::StoreOutcome listed;
  std::optional<std::uint64_t> checkpoint;
  std::uint64_t entries = 0;
  /// Before the checkpoint; readers do not need them.
  Sample missing_entries;
  /// After the checkpoint.
  Sample needed_entries;
  Sample broken_entries;
  Sample unread_entries;
  /// Commits that say they wrote more rows than the table holds in their ranges.
  Sample short_commits;
  std::uint64_t short_rows = 0;
  /// Commits that say they wrote fewer.
  Sample extra_commits;
  std::uint64_t extra_rows = 0;
  /// Operations of other programs that took files away, e.g. `DELETE at version 7`.
  Sample foreign_removals;
};

struct TopicFacts {
  std::string topic;
  std::string group;
  TableFacts table;
  /// kMissing: there is none.
  TableFacts dead_letters;
  LogFacts log;
  /// Whether the table knows the topic under the group.
  bool registered = false;
  /// Other groups that it knows the topic under.
  std::vector<std::string> other_groups;
  /// What the sets below may take in memory.
  std::uint64_t offsets_bytes_max = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t offsets_bytes = 0;
  /// In the order of `since`; at least one. The last is the current one.
  std::vector<EpochFacts> epochs;
  /// Identities whose rows cannot be told apart from those of the first epoch.
  std::vector<std::string> merged_identities;
  /// Of this topic; with a trouble when Kafka did not answer.
  kafka::TopicLook kafka;
  /// Of the current epoch.
  std::map<Partition, kafka::GapLook> gap_looks;
  /// What `beginning_to_ask` asks for: the first record, if there is one.
  std::map<Partition, kafka::GapLook> beginning_looks;
  /// The current epoch's progress by a snapshot that is younger than what Kafka told; read only
  /// where Kafka is ahead of the first snapshot, as it is while the service runs.
  OffsetMap later_progress;

  [[nodiscard]] const EpochFacts& current() const { return epochs.back(); }
};

}  // namespace bronze::commands
