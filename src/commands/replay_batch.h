#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/offset_set.h"
#include "base/table_columns.h"
#include "batch/columns.h"
#include "commands/replay_report.h"
#include "commands/replay_selection.h"
#include "delta/table_sink.h"
#include "ingest/batch_files.h"
#include "ingest/commit_attempt.h"

namespace bronze::commands {

/// Where the counts of replayed rows stand in the table, and under which names.
struct ReplayCounts {
  /// `bronze/{group}/{topic-identity}/`
  std::string prefix;
  /// Absent = nothing of the partition was replayed yet.
  std::map<Partition, std::int64_t> rows;

  [[nodiscard]] std::string app_id(Partition partition) const;
};

/// Rows that become one commit of replay. Owned by its pass; one thread.
class ReplayBatch {
 public:
  struct Limits {
    /// Encoded rows in memory.
    std::uint64_t held_bytes = 0;
    Duration age{};
  };

  /// `ingested_at`: of all its rows.
  ReplayBatch(delta::TableSink& table, const TableColumns& columns, UnixMicros ingested_at,
              SteadyTime opened_at);
  /// Deletes the files, unless a commit of them may have been sent.
  ~ReplayBatch();
  ReplayBatch(const ReplayBatch&) = delete;
  ReplayBatch& operator=(const ReplayBatch&) = delete;

  /// `error_type`: of the dead letter.
  void add(const batch::Row& row, const std::string& error_type);
  [[nodiscard]] bool full(const Limits& limits, SteadyTime now) const;

  /// Uploads; may be called again after a transient failure.
  [[nodiscard]] delta::StoreOutcome finish();
  /// The commit to make. REQUIRES: finish() succeeded. From now on the files are not deleted.
  [[nodiscard]] ingest::CommitTask task(const std::string& topic, const ReplayCounts& counts);

  [[nodiscard]] UnixMicros ingested_at() const { return ingested_at_; }
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] const std::map<std::string, std::uint64_t>& rows_by_error() const {
    return rows_by_error_;
  }
  [[nodiscard]] const OffsetSets& offsets() const { return offsets_; }

 private:
  void encode();
  /// `{"0":[[10,12],[15,16]]}`
  [[nodiscard]] std::string ranges() const;

  const TableColumns columns_;
  const UnixMicros ingested_at_;
  const SteadyTime opened_at_;
  const std::string date_;
  ingest::BatchFiles files_;
  ingest::BatchFiles::Finished finished_;
  batch::Columns chunk_;
  OffsetSets offsets_;
  OffsetMap last_;
  std::map<std::string, std::uint64_t> rows_by_error_;
  std::uint64_t rows_ = 0;
  std::uint64_t encoded_bytes_ = 0;
  /// At most so many ranges have to be named.
  std::uint64_t ranges_ = 0;
  bool files_may_be_committed_ = false;
};

}  // namespace bronze::commands
