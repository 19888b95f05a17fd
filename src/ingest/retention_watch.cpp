#include "ingest/retention_watch.h"

#include <chrono>

namespace bronze::ingest {
namespace {

constexpr std::chrono::minutes k_ask_every{1};
constexpr std::chrono::hours k_window{1};
/// What is further away is no news.
constexpr double k_windows_max = 24.0 * 30;

}  // namespace

bool RetentionWatch::is_due() const {
  return !asked_at_ || clock_.now() - *asked_at_ >= k_ask_every;
}

std::vector<Partition> RetentionWatch::begin(const OffsetMap& committed) {
  asked_at_ = clock_.now();
  std::erase_if(samples_, [&](const auto& entry) { return !committed.contains(entry.first); });
  std::vector<Partition> partitions;
  partitions.reserve(committed.size());
  for (const auto& [partition, offset] : committed) partitions.push_back(partition);
  return partitions;
}

void RetentionWatch::on_offsets(const kafka::OffsetsListed& answer, const OffsetMap& committed) {
  request_.reset();
  const SteadyTime now = clock_.now();
  for (const auto& [partition, earliest] : answer.offsets) {
    const auto at = committed.find(partition);
    if (at == committed.end()) continue;
    auto& samples = samples_[partition];
    samples.push_back({now, earliest, at->second});
    while (now - samples.front().at > k_window) samples.pop_front();
  }
}

std::optional<Duration> RetentionWatch::loses_data_in(Partition partition) const {
  const auto found = samples_.find(partition);
  if (found == samples_.end()) return std::nullopt;
  const Sample& first = found->second.front();
  const Sample& last = found->second.back();
  const std::int64_t room = last.committed.value - last.earliest.value;
  if (room < 0) return Duration{};
  const std::int64_t deleted = last.earliest.value - first.earliest.value;
  const std::int64_t written = last.committed.value - first.committed.value;
  if (deleted <= written) return std::nullopt;
  const double windows = static_cast<double>(room) / static_cast<double>(deleted - written);
  if (windows > k_windows_max) return std::nullopt;
  return std::chrono::duration_cast<Duration>((last.at - first.at) * windows);
}

}  // namespace bronze::ingest
