#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "delta/table_sink.h"

namespace bronze::ingest {

/// The open Parquet files of one batch, one a date. Owned by its batch; used by jobs of the
/// batch's strand, one at a time.
class BatchFiles {
 public:
  explicit BatchFiles(delta::TableSink& table) : table_(table) {}

  /// Returns the encoded bytes that all files hold now. Throws when the rows cannot be encoded;
  /// the batch cannot be finished then.
  std::uint64_t append(const std::string& date, batch::Columns columns);

  struct [[nodiscard]] Finished {
    delta::StoreOutcome outcome;
    std::uint64_t bytes = 0;
    std::vector<const delta::FileSink*> files;
  };
  /// Uploads all; may be called again after a transient failure.
  Finished finish();

  /// Deletes what was uploaded.
  void discard();

 private:
  delta::TableSink& table_;
  std::map<std::string, std::unique_ptr<delta::FileSink>> by_date_;
  std::map<std::string, std::uint64_t> encoded_bytes_;
  /// Holds all rows that it was given.
  bool whole_ = true;
};

}  // namespace bronze::ingest
