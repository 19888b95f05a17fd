#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "batch/columns.h"
#include "batch/dead_letters.h"

namespace bronze::delta {

/// What became of a call to the store, by what can be done about it.
enum class StoreStatus {
  kOk,
  /// The table, log entry or bucket is not there.
  kMissing,
  /// Another writer was first.
  kConflict,
  /// Worth another try.
  kTransient,
  /// Credentials or rights.
  kDenied,
  /// The log cannot be read or contradicts itself.
  kCorrupt,
  /// The table or store needs or lacks something we cannot deal with.
  kUnsupported,
  /// None of the above; trying again will not help.
  kFailed,
};

struct [[nodiscard]] StoreOutcome {
  StoreStatus status = StoreStatus::kOk;
  std::string message;

  [[nodiscard]] bool ok() const { return status == StoreStatus::kOk; }
};

/// appId -> version of the table's `txn` actions.
using TxnMap = std::map<std::string, std::int64_t, std::less<>>;

/// What of a table the files written for it depend on.
struct TableShape {
  /// metaData.id
  std::string id;
  std::string schema_json;
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> configuration;
  int min_reader_version = 0;
  int min_writer_version = 0;
  std::vector<std::string> reader_features;
  std::vector<std::string> writer_features;

  friend bool operator==(const TableShape&, const TableShape&) = default;
};

struct TableSpec {
  std::string schema_json;
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> configuration;
};

struct SnapshotView {
  std::uint64_t version = 0;
  TableShape shape;
  TxnMap txns;
};

struct [[nodiscard]] Lookup {
  StoreOutcome outcome;
  bool found = false;
  /// Where it was found, if that has a version.
  std::uint64_t version = 0;
};

struct [[nodiscard]] LastOffsets {
  StoreOutcome outcome;
  OffsetMap offsets;
};

struct [[nodiscard]] LastIngestion {
  StoreOutcome outcome;
  /// nullopt = no row has a time.
  std::optional<UnixMicros> time;
};

struct [[nodiscard]] OffsetsWithin {
  StoreOutcome outcome;
  /// In any order; they may touch or overlap.
  std::vector<std::pair<Partition, OffsetRange>> runs;
};

struct [[nodiscard]] FileResult {
  StoreOutcome outcome;
  std::string path;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
};

/// One open Parquet file, of one date if the table is partitioned. One caller at a time.
class FileSink {
 public:
  virtual ~FileSink() = default;
  /// May send parts of a large file. Returns the encoded bytes held in memory. Throws when encoding
  /// fails.
  virtual std::uint64_t append(batch::Columns columns) = 0;
  /// The same for a file of a dead-letter table.
  virtual std::uint64_t append(batch::DeadLetterColumns columns) = 0;
  /// Uploads the rest. kTransient: may be called again. kConflict: the rows must be read again: the
  /// table has other columns, or parts that had gone up are lost. After kOk the same result again.
  virtual FileResult finish() = 0;
  /// Deletes what was uploaded; the file will not be committed.
  virtual StoreOutcome discard() = 0;
};

struct CommitRequest {
  TxnMap txns;
  /// commitInfo.operationParameters
  std::map<std::string, std::string> parameters;
  /// Finished files of this table.
  std::vector<const FileSink*> files;
};

/// The answer to one PUT of a log entry. Whatever is not kOk means: find out from the log.
struct [[nodiscard]] PutResult {
  StoreOutcome outcome;
  std::uint64_t version = 0;
};

/// One Delta table. Owned by its lane; used by worker threads: one at a time for everything but
/// `open_file`, `checkpoint` and the files, which may run beside the others. Calls block.
class TableSink {
 public:
  virtual ~TableSink() = default;

  /// Reads the latest snapshot from the store. kMissing: there is no table.
  virtual StoreOutcome load() = 0;
  /// The same, after a snapshot: cheap when the log in the store just goes on from it.
  virtual StoreOutcome refresh() = 0;
  /// Some snapshot, if need be an older one that was kept and that the table vouches for: for what
  /// only has to know that there is a table. Otherwise as `load`.
  virtual StoreOutcome open() = 0;
  /// The latest snapshot, by `refresh` from one that was kept and that the table vouches for, or
  /// from the present one, if states are kept at all. Otherwise as `load`.
  virtual StoreOutcome look() = 0;
  /// Creates the table. kConflict: there is one already.
  virtual StoreOutcome create(const TableSpec& spec) = 0;
  /// The snapshot of the last successful load, refresh, open, look, create or put.
  [[nodiscard]] virtual const SnapshotView& snapshot() const = 0;
  virtual Lookup has_data_files() = 0;
  /// The greatest `_kafka_offset` of each partition in the snapshot's live files, whoever wrote
  /// them. Rows before `from` of their partition need not be found: the answer for it may then be
  /// lower, or absent. May read many files; memory stays bounded.
  virtual LastOffsets last_offsets(const OffsetMap& from) = 0;
  /// A time not before the greatest `_ingested_at` in the snapshot's live files, whoever wrote
  /// them, and less than 1 ms after it. May read many files; memory stays bounded.
  virtual LastIngestion last_ingestion() = 0;
  /// The offsets of the snapshot's rows that lie in `ranges` and were ingested at or after `since`,
  /// whoever wrote them. Rows that were deleted may be among them. Memory: that of the answer.
  virtual OffsetsWithin offsets_within(const RangeMap& ranges, UnixMicros since) = 0;
  /// Whether the log entry of `version` has a txn of an appId that begins with `prefix`. kMissing:
  /// there is no such entry.
  virtual Lookup log_entry_has_txn(std::uint64_t version, const std::string& prefix) = 0;
  /// Looks for a commit with this token in versions (after, snapshot's version].
  virtual Lookup find_token(const std::string& token, std::uint64_t after) = 0;
  /// Whether the log entry of the snapshot is in the store now, the very one that was read or
  /// written. kMissing: it is not, or another one is there.
  virtual StoreOutcome confirm() = 0;
  /// One PUT of the log entry after the snapshot's; never repeated.
  virtual PutResult put(const CommitRequest& request) = 0;
  /// Gives the table this schema, which only adds columns, with one PUT of the log entry after the
  /// snapshot's. Whatever is not kOk means: find out from the log.
  virtual StoreOutcome add_columns(const std::string& schema_json) = 0;
  virtual StoreOutcome checkpoint() = 0;
  /// `date`: not looked at when the table is not partitioned.
  [[nodiscard]] virtual std::unique_ptr<FileSink> open_file(const std::string& date) = 0;
};

}  // namespace bronze::delta
