#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delta/table_sink.h"
#include "ingest/lane_table.h"

namespace bronze::ingest {

/// The open Parquet files of one batch, one a date, and one for its dead letters. Owned by its
/// batch; used by jobs of the batch's strand, one at a time.
class BatchFiles {
 public:
  explicit BatchFiles(const LaneTables& tables) : tables_(tables) {}

  /// Returns the encoded bytes that all files hold now. Throws when the rows cannot be encoded;
  /// the batch cannot be finished then.
  std::uint64_t append(const std::string& date, batch::Columns columns);
  /// The same. REQUIRES: there is a dead-letter table.
  std::uint64_t append(batch::DeadLetterColumns columns);

  struct [[nodiscard]] Finished {
    delta::StoreOutcome outcome;
    std::uint64_t bytes = 0;
    std::vector<const delta::FileSink*> files;
    std::uint64_t dead_letter_bytes = 0;
    std::vector<const delta::FileSink*> dead_letter_files;
  };
  /// Uploads all; may be called again after a transient failure.
  Finished finish();

  /// Deletes what was uploaded.
  void discard();

 private:
  /// Of the rows: its date.
  using Name = std::string;

  template <typename Rows>
  std::uint64_t append_to(LaneTable table, const Name& name, Rows rows);

  const LaneTables tables_;
  std::map<std::pair<LaneTable, Name>, std::unique_ptr<delta::FileSink>> files_;
  std::map<std::pair<LaneTable, Name>, std::uint64_t> encoded_bytes_;
  /// Holds all rows that it was given.
  bool whole_ = true;
};

}  // namespace bronze::ingest
