#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "batch/columns.h"
#include "batch/dead_letters.h"
#include "ingest/batch_files.h"
#include "ingest/dead_letter_tally.h"
#include "ingest/executor.h"
#include "ingest/lane_table.h"

namespace bronze::ingest {

/// Of values that go to an encoder at once: eight pages of Parquet.
inline constexpr std::size_t k_chunk_bytes = std::size_t{992} * 1024;

/// The records of one lane that become one commit to each of its tables, from the first one until
/// that is done. Owned by LaneWriter; ingest thread. Rows leave in chunks for the batch's files as
/// they come.
class Batch {
 public:
  Batch(std::size_t lane, const LaneTables& tables, Executor& executor, SteadyTime opened_at,
        const TableColumns& columns = {});
  ~Batch();
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  /// False when the row belongs to a third date or to one that went by: better seal first.
  [[nodiscard]] bool takes(const batch::Row& row) const;
  /// `base` is the partition's position in the table before this batch.
  void add(const batch::Row& row, Offset base);
  /// The same for a record that goes to the dead letters. REQUIRES: there is a table for them.
  void add(const batch::DeadLetter& letter, Offset base);
  /// The partition's records before `next` are all here or not visible.
  void advance(Partition partition, Offset base, Offset next);
  /// `requests_sent`: TopicWatch::sent() when the last record arrived.
  void note_arrival(std::uint64_t requests_sent) { requests_sent_ = requests_sent; }

  /// Sends the last rows off. Nothing can be added afterwards.
  void seal();
  /// Submits the upload of the files; answered by FilesFinished.
  void finish_files();
  /// A commit of the files may have been sent: they must not be deleted any more.
  void keep_files() { files_may_be_committed_ = true; }

  void on_encoded(const ColumnsEncoded& encoded);

  [[nodiscard]] BatchId id() const { return id_; }
  [[nodiscard]] const std::string& token() const { return token_; }
  [[nodiscard]] const RangeMap& ranges() const { return ranges_; }
  /// Without dead letters.
  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] const DeadLetterTally& dead_letters() const { return dead_letters_; }
  [[nodiscard]] std::uint64_t records() const { return rows_ + dead_letters_.count; }
  [[nodiscard]] std::uint64_t payload_bytes() const { return payload_bytes_; }
  [[nodiscard]] SteadyTime opened_at() const { return opened_at_; }
  [[nodiscard]] std::uint64_t requests_sent() const { return requests_sent_; }
  /// Memory that the batch holds.
  [[nodiscard]] std::uint64_t held_bytes() const;
  /// Of it, what waits for a worker to encode it.
  [[nodiscard]] std::uint64_t unencoded_bytes() const { return bytes_on_the_way_; }

 private:
  void send_chunk();
  void send_dead_letters();

  const std::size_t lane_;
  Executor& executor_;
  const BatchId id_;
  const std::string token_;
  const SteadyTime opened_at_;
  const TableColumns columns_;
  /// Jobs hold a plain pointer; the last job of the strand takes the object over.
  std::unique_ptr<BatchFiles> files_;
  RangeMap ranges_;
  batch::Columns chunk_;
  batch::DeadLetterColumns dead_letter_chunk_;
  DeadLetterTally dead_letters_;
  std::string date_;
  /// The day that date_ names, in days since 1970: saves formatting each row's date.
  std::optional<std::int64_t> day_;
  int dates_ = 0;
  std::uint64_t rows_ = 0;
  std::uint64_t payload_bytes_ = 0;
  std::uint64_t requests_sent_ = 0;
  std::uint64_t bytes_on_the_way_ = 0;
  std::uint64_t encoded_bytes_ = 0;
  bool files_may_be_committed_ = false;
};

}  // namespace bronze::ingest
