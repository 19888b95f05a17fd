#include "commands/replay_batch.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/date.h"
#include "base/token.h"
#include "ingest/app_id.h"

namespace bronze::commands {
namespace {

constexpr std::size_t k_chunk_rows = 4096;
constexpr std::size_t k_chunk_bytes = std::size_t{496} * 1024;
constexpr std::uint64_t k_rows_max = 1'000'000;
/// A commit names its ranges: in some 20 bytes each, which readers of the log have to read.
constexpr std::uint64_t k_ranges_max = 4'096;
/// A commit's files must not be so old that another engine's VACUUM takes them for orphans.
constexpr std::chrono::minutes k_file_age_max{30};

}  // namespace

std::string ReplayCounts::app_id(Partition partition) const {
  return prefix + std::to_string(number(partition)) + std::string(ingest::k_replayed_suffix);
}

ReplayBatch::ReplayBatch(delta::TableSink& table, const TableColumns& columns,
                         UnixMicros ingested_at, SteadyTime opened_at)
    : columns_(columns),
      ingested_at_(ingested_at),
      opened_at_(opened_at),
      date_(utc_date(ingested_at)),
      files_(table),
      chunk_(columns) {}

ReplayBatch::~ReplayBatch() {
  if (!files_may_be_committed_) files_.discard();
}

void ReplayBatch::add(const batch::Row& row, const std::string& error_type) {
  if (!chunk_.has_room_for(row)) encode();
  chunk_.append(row);
  ++rows_;
  ++rows_by_error_[error_type];
  insert(offsets_, row.partition, row.offset);
  const auto [last, is_new] = last_.try_emplace(row.partition, row.offset);
  if (is_new || last->second.following() != row.offset) ++ranges_;
  last->second = row.offset;
  if (chunk_.rows() >= k_chunk_rows || chunk_.variable_bytes() >= k_chunk_bytes) encode();
}

void ReplayBatch::encode() {
  if (chunk_.empty()) return;
  encoded_bytes_ = files_.append(date_, std::exchange(chunk_, batch::Columns(columns_)));
}

bool ReplayBatch::full(const Limits& limits, SteadyTime now) const {
  return encoded_bytes_ >= limits.held_bytes || rows_ >= k_rows_max || ranges_ >= k_ranges_max ||
         now - opened_at_ >= limits.age;
}

delta::StoreOutcome ReplayBatch::finish() {
  encode();
  finished_ = files_.finish();
  return finished_.outcome;
}

std::string ReplayBatch::ranges() const {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [partition, offsets] : offsets_) {
    auto& list = json[std::to_string(number(partition))] = nlohmann::ordered_json::array();
    for (auto first = offsets.first_present(Offset{0}); first;) {
      const Offset next = offsets.first_absent(*first);
      list.push_back({first->value, next.value});
      first = offsets.first_present(next);
    }
  }
  return json.dump();
}

ingest::CommitTask ReplayBatch::task(const std::string& topic, const ReplayCounts& counts) {
  files_may_be_committed_ = true;
  ingest::CommitTask task;
  task.token = new_token();
  task.files = finished_.files;
  task.expires_at = opened_at_ + k_file_age_max;
  task.parameters = {
      {"bronzeReplayed", ranges()}, {"bronzeRows", std::to_string(rows_)}, {"bronzeTopic", topic}};
  for (const auto& [partition, offsets] : offsets_) {
    const auto known = counts.rows.find(partition);
    const bool is_known = known != counts.rows.end();
    const std::int64_t base = is_known ? known->second : 0;
    task.steps.push_back({.app_id = counts.app_id(partition),
                          .base = is_known ? std::optional(base) : std::nullopt,
                          .next = base + static_cast<std::int64_t>(offsets.size())});
  }
  // The service writes all the time: the cached snapshot is hardly ever the latest.
  task.memory.look = ingest::Look::kRefresh;
  return task;
}

}  // namespace bronze::commands
