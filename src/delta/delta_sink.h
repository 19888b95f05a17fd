#pragma once

#include <memory>
#include <string>

#include "bronze-bridge/src/lib.rs.h"
#include "delta/table_sink.h"
#include "delta/table_states.h"

namespace bronze::delta {

[[nodiscard]] StoreOutcome from_bridge(const bridge::Outcome& outcome);

/// Fills `view` with the table's cached snapshot and our txns in it.
[[nodiscard]] StoreOutcome read_snapshot(const bridge::Table& table, SnapshotView& view);

/// The FileSink over the bridge's streaming Parquet writer.
class DeltaFile final : public FileSink {
 public:
  explicit DeltaFile(rust::Box<bridge::DataFile> file) : file_(std::move(file)) {}

  std::uint64_t append(batch::Columns columns) override;
  std::uint64_t append(batch::DeadLetterColumns columns) override;
  FileResult finish() override;
  StoreOutcome discard() override;

  [[nodiscard]] const bridge::DataFile& handle() const { return *file_; }

 private:
  template <typename Rows>
  std::uint64_t append_rows(Rows rows);

  rust::Box<bridge::DataFile> file_;
  /// Somebody changed the table's columns before the file was opened: it cannot take the rows.
  bool misfit_ = false;
};

/// Where a table's states are kept, and under which name.
struct KeptStates {
  /// nullptr = nowhere.
  TableStates* states = nullptr;
  std::string table;
};

/// The TableSink over the Delta kernel. Keeps the map of txns itself: read once for each loaded
/// snapshot, moved on by our own commits.
class DeltaSink final : public TableSink {
 public:
  DeltaSink(rust::Box<bridge::Table> table, KeptStates kept)
      : table_(std::move(table)), kept_(std::move(kept)) {}

  StoreOutcome load() override;
  StoreOutcome refresh() override;
  StoreOutcome open() override;
  StoreOutcome look() override;
  StoreOutcome create(const TableSpec& spec) override;
  [[nodiscard]] const SnapshotView& snapshot() const override { return snapshot_; }
  Lookup has_data_files() override;
  LastOffsets last_offsets(const OffsetMap& from) override;
  LastIngestion last_ingestion() override;
  OffsetsWithin offsets_within(const RangeMap& ranges, UnixMicros since) override;
  Lookup log_entry_has_txn(std::uint64_t version, const std::string& prefix) override;
  Lookup find_token(const std::string& token, std::uint64_t after) override;
  StoreOutcome confirm() override;
  PutResult put(const CommitRequest& request) override;
  StoreOutcome add_columns(const std::string& schema_json) override;
  StoreOutcome checkpoint() override;
  [[nodiscard]] std::unique_ptr<FileSink> open_file(const std::string& date) override;

 private:
  /// Whether a state that was kept is cached now, or an even newer one.
  [[nodiscard]] bool recall();
  StoreOutcome load_and_keep();
  /// If the table vouches for it.
  void keep_state();

  rust::Box<bridge::Table> table_;
  const KeptStates kept_;
  SnapshotView snapshot_;
};

}  // namespace bronze::delta
