#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "delta/letter_scan.h"
#include "delta/table_sink.h"

namespace bronze::delta {

/// Rows of one partition with these offsets, each once.
struct OffsetRun {
  Partition partition{};
  /// How many of the scan's epochs had begun when the rows were ingested.
  std::uint32_t epoch = 0;
  OffsetRange range;
};

/// A live data file: what the log states, and what is in the store. nullopt = not told.
struct FileFacts {
  std::string path;
  /// kMissing: the file is not there. Not kOk: not all of its rows were told.
  StoreOutcome outcome;
  std::optional<std::uint64_t> stated_bytes;
  std::optional<std::uint64_t> stored_bytes;
  std::optional<std::uint64_t> stated_rows;
  /// By the file's own footer.
  std::optional<std::uint64_t> stored_rows;
  /// Rows that were read and are not removed by a deletion vector.
  std::uint64_t live_rows = 0;
  /// Live rows without a partition or without an offset.
  std::uint64_t rows_without_offset = 0;
  /// Live rows with an offset that no record can have: negative, or the greatest number. They are
  /// in no run.
  std::uint64_t rows_of_no_record = 0;
};

struct RowPart {
  /// Of listing the files; not kOk ends the scan.
  StoreOutcome outcome;
  bool done = false;
  std::vector<OffsetRun> runs;
  /// Files of which everything has been told.
  std::vector<FileFacts> files;
};

/// Half-open.
struct VersionRange {
  std::uint64_t first = 0;
  std::uint64_t next = 0;
};

struct LogVersions {
  StoreOutcome outcome;
  /// Which entries are there; ascending, not touching each other.
  std::vector<VersionRange> entries;
  /// The newest complete one.
  std::optional<std::uint64_t> checkpoint;
};

/// What a log entry says of itself.
struct LogEntry {
  std::uint64_t version = 0;
  /// kMissing: it is not there. kCorrupt: it is not a list of JSON actions.
  StoreOutcome outcome;
  std::string operation;
  std::int64_t timestamp_ms = 0;
  /// Of commitInfo.operationParameters those that are text.
  std::map<std::string, std::string> parameters;
  TxnMap txns;
  std::uint64_t files_added = 0;
  std::uint64_t files_removed = 0;
};

/// Which rows a scan tells, and by what.
struct RowQuery {
  /// Ascending. Each row is also told by its `_ingested_at` which of them had begun.
  std::vector<UnixMicros> epochs;
  /// Rows that name another one as their `kafka_topic` are left out; empty = none are.
  std::string topic;
  /// Files that cannot have a row in one of these ranges are passed over; empty = none are.
  RangeMap within = {};
};

/// Reads the rows of one snapshot, a part at a time. One caller. Calls block.
class RowScan {
 public:
  virtual ~RowScan() = default;
  [[nodiscard]] virtual RowPart advance() = 0;
};

/// One Delta table that is only looked at. One caller at a time. Calls block.
class TableReader {
 public:
  virtual ~TableReader() = default;

  /// Reads the latest snapshot from the store. kMissing: there is no table.
  virtual StoreOutcome load() = 0;
  /// Of the last successful load.
  [[nodiscard]] virtual const SnapshotView& snapshot() const = 0;
  /// Begins to read `_kafka_partition` and `_kafka_offset` of all live files of the snapshot.
  [[nodiscard]] virtual std::unique_ptr<RowScan> scan_rows(const RowQuery& query) = 0;
  /// Begins to read whole rows of the snapshot, which is one of a dead-letter table.
  [[nodiscard]] virtual std::unique_ptr<LetterScan> scan_letters(const LetterQuery& query) = 0;
  [[nodiscard]] virtual LogVersions log_versions() = 0;
  /// In order.
  [[nodiscard]] virtual std::vector<LogEntry> log_entries(VersionRange versions) = 0;
};

}  // namespace bronze::delta
