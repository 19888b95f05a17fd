#pragma once

#include <memory>
#include <vector>

#include "bronze-bridge/src/lib.rs.h"
#include "delta/delta_sink.h"
#include "delta/table_reader.h"

namespace bronze::delta {

/// The RowScan over the bridge.
class DeltaRowScan final : public RowScan {
 public:
  explicit DeltaRowScan(rust::Box<bridge::RowScan> scan) : scan_(std::move(scan)) {}

  [[nodiscard]] RowPart advance() override;

 private:
  rust::Box<bridge::RowScan> scan_;
};

/// The LetterScan over the bridge.
class DeltaLetterScan final : public LetterScan {
 public:
  explicit DeltaLetterScan(rust::Box<bridge::LetterScan> scan) : scan_(std::move(scan)) {}

  [[nodiscard]] LetterPart advance() override;

 private:
  rust::Box<bridge::LetterScan> scan_;
};

/// The TableReader over the Delta kernel.
class DeltaTableReader final : public TableReader {
 public:
  explicit DeltaTableReader(rust::Box<bridge::Table> table) : table_(std::move(table)) {}

  StoreOutcome load() override;
  [[nodiscard]] const SnapshotView& snapshot() const override { return snapshot_; }
  [[nodiscard]] std::unique_ptr<RowScan> scan_rows(const RowQuery& query) override;
  [[nodiscard]] std::unique_ptr<LetterScan> scan_letters(const LetterQuery& query) override;
  [[nodiscard]] LogVersions log_versions() override;
  [[nodiscard]] std::vector<LogEntry> log_entries(VersionRange versions) override;

 private:
  rust::Box<bridge::Table> table_;
  SnapshotView snapshot_;
};

}  // namespace bronze::delta
