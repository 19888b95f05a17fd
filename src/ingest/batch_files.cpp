#include "ingest/batch_files.h"

#include <spdlog/spdlog.h>

#include <numeric>
#include <utility>

#include "base/kill_point.h"

namespace bronze::ingest {

std::uint64_t BatchFiles::append(const std::string& date, batch::Columns columns) {
  const bool whole = std::exchange(whole_, false);
  auto file = by_date_.find(date);
  if (file == by_date_.end()) file = by_date_.emplace(date, table_.open_file(date)).first;
  encoded_bytes_[date] = file->second->append(std::move(columns));
  whole_ = whole;
  kill_point("flush_mid_file");
  return std::accumulate(encoded_bytes_.begin(), encoded_bytes_.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const auto& entry) { return sum + entry.second; });
}

BatchFiles::Finished BatchFiles::finish() {
  Finished finished;
  if (!whole_) {
    finished.outcome = {delta::StoreStatus::kFailed, "rows of the batch could not be encoded"};
    return finished;
  }
  if (!by_date_.empty()) kill_point("flush_before_file");
  for (const auto& [date, file] : by_date_) {
    auto result = file->finish();
    if (!result.outcome.ok()) {
      finished.outcome = std::move(result.outcome);
      finished.files.clear();
      return finished;
    }
    finished.bytes += result.bytes;
    finished.files.push_back(file.get());
  }
  if (!by_date_.empty()) kill_point("flush_after_file");
  return finished;
}

void BatchFiles::discard() {
  for (const auto& [date, file] : by_date_) {
    const auto outcome = file->discard();
    if (!outcome.ok()) {
      spdlog::debug("an uncommitted file of {} was left in the table's folder: {}", date,
                    outcome.message);
    }
  }
}

}  // namespace bronze::ingest
