#include "ingest/memory_budget.h"

#include <numeric>

namespace bronze::ingest {

std::optional<std::size_t> MemoryBudget::to_flush(const std::vector<LaneMemory>& lanes) const {
  std::uint64_t open = 0;
  std::optional<std::size_t> largest;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    open += lanes[i].open;
    if (lanes[i].open == 0 || lanes[i].writing > 0) continue;
    if (!largest || lanes[i].open > lanes[*largest].open) largest = i;
  }
  return open >= limit_ / 2 ? largest : std::nullopt;
}

bool MemoryBudget::pauses(const std::vector<LaneMemory>& lanes) {
  const std::uint64_t held = held_bytes(lanes);
  paused_ = paused_ ? held > limit_ / 2 : held > limit_;
  return paused_;
}

std::uint64_t held_bytes(const std::vector<LaneMemory>& lanes) {
  return std::accumulate(
      lanes.begin(), lanes.end(), std::uint64_t{0},
      [](std::uint64_t sum, const LaneMemory& lane) { return sum + lane.open + lane.writing; });
}

}  // namespace bronze::ingest
