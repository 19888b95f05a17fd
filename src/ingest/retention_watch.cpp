#include "ingest/retention_watch.h"

#include <algorithm>
#include <chrono>

namespace bronze::ingest {
namespace {

constexpr std::chrono::minutes k_ask_every{1};
constexpr std::chrono::minutes k_pace_over_min{10};
constexpr std::chrono::hours k_deletions_over{24};
constexpr std::size_t k_deletions_max = 60;
/// What is further away is no news.
constexpr std::chrono::hours k_horizon{24 * 7};

using Seconds = std::chrono::duration<double>;

double per_second(Offset from, Offset to, Duration over) {
  return static_cast<double>(to.value - from.value) / Seconds(over).count();
}

}  // namespace

RetentionWatch::RetentionWatch(const Clock& clock, Duration batch_interval)
    : clock_(clock), pace_over_(std::max<Duration>(k_pace_over_min, 2 * batch_interval)) {}

bool RetentionWatch::is_due() const {
  return !asked_at_ || clock_.now() - *asked_at_ >= k_ask_every;
}

std::vector<Partition> RetentionWatch::begin(const Reaches& behind) {
  asked_at_ = clock_.now();
  std::erase_if(watched_, [&](const auto& entry) { return !behind.contains(entry.first); });
  std::vector<Partition> partitions;
  partitions.reserve(behind.size());
  for (const auto& [partition, reach] : behind) partitions.push_back(partition);
  return partitions;
}

void RetentionWatch::on_offsets(const kafka::OffsetsListed& answer, const Reaches& behind) {
  request_.reset();
  for (const auto& [partition, earliest] : answer.offsets) {
    const auto at = behind.find(partition);
    if (at == behind.end()) continue;
    note(watched_[partition], {clock_.now(), earliest, at->second});
  }
}

void RetentionWatch::note(Watched& watched, const Look& look) const {
  auto& [deletions, looks] = watched;
  // The topic was created again.
  if (!looks.empty() && look.earliest < looks.back().earliest) watched = {};
  if (!looks.empty() && looks.back().earliest < look.earliest) {
    deletions.push_back({look.at, look.earliest});
    if (deletions.size() > k_deletions_max) deletions.pop_front();
  }
  while (!deletions.empty() && look.at - deletions.front().at > k_deletions_over) {
    deletions.pop_front();
  }
  looks.push_back(look);
  while (looks.size() > 1 && look.at - looks[1].at >= pace_over_) looks.pop_front();
}

std::optional<Duration> RetentionWatch::loses_data_in(Partition partition) const {
  const auto found = watched_.find(partition);
  if (found == watched_.end()) return std::nullopt;
  const auto& [deletions, looks] = found->second;
  const Look& first = looks.front();
  const Look& last = looks.back();
  const auto room = static_cast<double>(last.reach.committed.value - last.earliest.value);
  if (room < 0) return Duration{};
  if (deletions.size() < 2 || last.at - first.at < pace_over_) return std::nullopt;
  // How much the first one took is not known, nor since when.
  const double deleted = per_second(deletions.front().earliest, deletions.back().earliest,
                                    std::max(last.at - deletions.front().at, pace_over_));
  const double written =
      std::max(0.0, per_second(first.reach.committed, last.reach.committed, last.at - first.at));
  if (deleted <= written) return std::nullopt;
  const Seconds left{room / (deleted - written)};
  const auto lag = [](const Look& look) {
    return look.reach.end.value - look.reach.committed.value;
  };
  const auto least_lag = static_cast<double>(lag(std::ranges::min(looks, {}, lag)));
  if (written * left.count() >= least_lag || left > k_horizon) return std::nullopt;
  return std::chrono::duration_cast<Duration>(left);
}

}  // namespace bronze::ingest
