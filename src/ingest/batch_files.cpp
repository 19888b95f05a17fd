#include "ingest/batch_files.h"

#include <spdlog/spdlog.h>

#include <numeric>
#include <utility>

#include "base/kill_point.h"

namespace bronze::ingest {

template <typename Rows>
std::uint64_t BatchFiles::append_to(LaneTable table, const Name& name, Rows rows) {
  const bool whole = std::exchange(whole_, false);
  const auto key = std::pair(table, name);
  auto file = files_.find(key);
  if (file == files_.end()) file = files_.emplace(key, tables_.of(table).open_file(name)).first;
  encoded_bytes_[key] = file->second->append(std::move(rows));
  whole_ = whole;
  kill_point("flush_mid_file");
  return std::accumulate(encoded_bytes_.begin(), encoded_bytes_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& entry) { return sum + entry.second; });
}

std::uint64_t BatchFiles::append(const std::string& date, batch::Columns columns) {
  return append_to(LaneTable::kRows, date, std::move(columns));
}

std::uint64_t BatchFiles::append(batch::DeadLetterColumns columns) {
  return append_to(LaneTable::kDeadLetters, "", std::move(columns));
}

BatchFiles::Finished BatchFiles::finish() {
  Finished finished;
  if (!whole_) {
    finished.outcome = {delta::StoreStatus::kFailed, "rows of the batch could not be encoded"};
    return finished;
  }
  if (!files_.empty()) kill_point("flush_before_file");
  for (const auto& [key, file] : files_) {
    auto result = file->finish();
    const bool is_of_rows = key.first == LaneTable::kRows;
    if (!result.outcome.ok()) {
      if (!is_of_rows) result.outcome.message.insert(0, "the dead-letter table: ");
      return {.outcome = std::move(result.outcome),
              .bytes = 0,
              .files = {},
              .dead_letter_bytes = 0,
              .dead_letter_files = {}};
    }
    (is_of_rows ? finished.bytes : finished.dead_letter_bytes) += result.bytes;
    (is_of_rows ? finished.files : finished.dead_letter_files).push_back(file.get());
  }
  if (!files_.empty()) kill_point("flush_after_file");
  return finished;
}

void BatchFiles::discard() {
  for (const auto& [key, file] : files_) {
    const auto outcome = file->discard();
    if (!outcome.ok()) {
      spdlog::debug("an uncommitted file was left in the table's folder {}: {}", key.second,
                    outcome.message);
    }
  }
}

}  // namespace bronze::ingest
