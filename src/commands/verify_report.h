#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "commands/check_report.h"

namespace bronze::commands {

/// One thing that verify found. What is kOk or kWarning does not make a table dirty.
struct VerifyFinding {
  Level level = Level::kOk;
  /// Names the kind of finding for programs, e.g. `missing_rows`.
  std::string code;
  /// nullopt = of the whole table.
  std::optional<Partition> partition;
  std::string message;
};

/// Offsets between the first and the next one that are in no row, by why.
struct GapReport {
  /// Kafka shows no record there: control records, aborted transactions, compaction.
  std::uint64_t explained = 0;
  /// Kafka no longer has them.
  std::uint64_t retention = 0;
  /// Another program's.
  std::uint64_t before_take_over = 0;
  /// A commit says that Kafka had lost them.
  std::uint64_t skipped = 0;
  /// Kafka shows a record.
  std::uint64_t missing = 0;
  /// Kafka did not tell.
  std::uint64_t unknown = 0;
};

struct VerifiedPartition {
  Partition partition{};
  Level level = Level::kOk;
  std::uint64_t rows = 0;
  std::uint64_t dead_letters = 0;
  /// Dead letters that are rows of the table, too.
  std::uint64_t replayed = 0;
  /// Rows that are there once too often.
  std::uint64_t duplicates = 0;
  /// Those of them in offsets that another program wrote.
  std::uint64_t duplicates_of_others = 0;
  /// The offsets that are there; the first twenty ranges.
  std::vector<OffsetRange> ranges;
  std::uint64_t range_count = 0;
  /// The first offset of this service; nullopt = not known.
  std::optional<Offset> begin;
  /// The next offset, by the table's txn.
  std::optional<Offset> progress;
  /// The same of the dead letters, by the txn of their table.
  std::optional<Offset> dead_letter_progress;
  std::optional<Offset> earliest;
  /// What a read_committed consumer can reach.
  std::optional<Offset> latest;
  std::optional<Offset> high_watermark;
  /// From the progress to the high watermark.
  std::optional<std::int64_t> lag;
  GapReport gaps;
};

/// The rows of one topic identity.
struct VerifiedEpoch {
  std::string identity;
  /// Microseconds since 1970; 0 = the table's first topic.
  std::int64_t since = 0;
  bool is_current = false;
  std::vector<VerifiedPartition> partitions;
};

struct VerifiedTopic {
  std::string topic;
  std::string table;
  std::string dead_letter_table;
  bool table_exists = false;
  bool dead_letter_table_exists = false;
  std::uint64_t version = 0;
  std::uint64_t files = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::uint64_t log_entries = 0;
  /// Whether Kafka told of the topic.
  bool kafka_told = false;
  std::vector<VerifiedEpoch> epochs;
  std::vector<VerifyFinding> findings;
};

struct VerifyReport {
  /// Of no topic.
  std::vector<VerifyFinding> findings;
  std::vector<VerifiedTopic> topics;
};

[[nodiscard]] std::size_t count_of(const VerifyReport& report, Level level);

/// 1 = something is wrong for certain; otherwise 3 = something could not be told; otherwise 0.
[[nodiscard]] int exit_code(const VerifyReport& report);

}  // namespace bronze::commands
