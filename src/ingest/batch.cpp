#include "ingest/batch.h"

#include <utility>

#include "base/date.h"
#include "base/token.h"

namespace bronze::ingest {
namespace {

constexpr std::size_t k_chunk_rows = 4096;
constexpr int k_dates_max = 2;
constexpr std::int64_t k_micros_a_day = 86'400'000'000;

std::int64_t day_of(UnixMicros time) {
  const std::int64_t day = time / k_micros_a_day;
  return time % k_micros_a_day < 0 ? day - 1 : day;
}

}  // namespace

Batch::Batch(std::size_t lane, const LaneTables& tables, Executor& executor, SteadyTime opened_at,
             const TableColumns& columns)
    : lane_(lane),
      executor_(executor),
      id_(executor.new_strand()),
      token_(new_token()),
      opened_at_(opened_at),
      columns_(columns),
      files_(std::make_unique<BatchFiles>(tables)),
      chunk_(columns) {}

Batch::~Batch() {
  executor_.submit(
      lane_, id_,
      make_job([files = std::move(files_), keep = files_may_be_committed_]() -> JobOutcome {
        if (!keep) files->discard();
        return FilesDiscarded{};
      }));
}

bool Batch::takes(const batch::Row& row) const {
  const std::int64_t day = day_of(row.ingested_at);
  if (!day_ || day == *day_) return true;
  return day > *day_ && dates_ < k_dates_max;
}

void Batch::add(const batch::Row& row, Offset base) {
  const std::int64_t day = day_of(row.ingested_at);
  if (day_ != day) {
    send_chunk();
    day_ = day;
    date_ = utc_date(row.ingested_at);
    ++dates_;
  }
  if (!chunk_.has_room_for(row)) send_chunk();
  chunk_.append(row);
  ++rows_;
  payload_bytes_ += row.payload_bytes();
  advance(row.partition, base, row.offset.following());
  if (chunk_.rows() >= k_chunk_rows || chunk_.variable_bytes() >= k_chunk_bytes) send_chunk();
}

void Batch::add(const batch::DeadLetter& letter, Offset base) {
  if (!dead_letter_chunk_.has_room_for(letter)) send_dead_letters();
  dead_letter_chunk_.append(letter);
  dead_letters_.add(letter);
  payload_bytes_ += letter.payload_bytes();
  advance(letter.partition, base, letter.offset.following());
  if (dead_letter_chunk_.rows() >= k_chunk_rows || dead_letter_chunk_.bytes() >= k_chunk_bytes) {
    send_dead_letters();
  }
}

void Batch::advance(Partition partition, Offset base, Offset next) {
  ranges_.try_emplace(partition, OffsetRange{base, base}).first->second.next = next;
}

void Batch::send_chunk() {
  if (chunk_.empty()) return;
  const std::uint64_t bytes = chunk_.bytes();
  bytes_on_the_way_ += bytes;
  executor_.submit(
      lane_, id_,
      make_job([files = files_.get(), id = id_, date = date_, bytes,
                columns = std::exchange(chunk_, batch::Columns(columns_))]() mutable -> JobOutcome {
        return ColumnsEncoded{id, bytes, files->append(date, std::move(columns))};
      }));
  chunk_.reserve(k_chunk_bytes);
}

void Batch::send_dead_letters() {
  if (dead_letter_chunk_.empty()) return;
  const std::uint64_t bytes = dead_letter_chunk_.bytes();
  bytes_on_the_way_ += bytes;
  executor_.submit(
      lane_, id_,
      make_job([files = files_.get(), id = id_, bytes,
                columns = std::exchange(dead_letter_chunk_, {})]() mutable -> JobOutcome {
        return ColumnsEncoded{id, bytes, files->append(std::move(columns))};
      }));
}

void Batch::seal() {
  send_chunk();
  send_dead_letters();
}

void Batch::finish_files() {
  executor_.submit(lane_, id_, make_job([files = files_.get(), id = id_]() -> JobOutcome {
                     auto finished = files->finish();
                     return FilesFinished{id, std::move(finished)};
                   }));
}

void Batch::on_encoded(const ColumnsEncoded& encoded) {
  bytes_on_the_way_ -= encoded.column_bytes;
  encoded_bytes_ = encoded.encoded_bytes;
}

std::uint64_t Batch::held_bytes() const {
  return chunk_.bytes() + dead_letter_chunk_.bytes() + bytes_on_the_way_ + encoded_bytes_;
}

}  // namespace bronze::ingest
