#include "ingest/memory_budget.h"

#include <chrono>
#include <numeric>

namespace bronze::ingest {
namespace {

/// Encoders and a healthy store free memory sooner than this.
constexpr std::chrono::milliseconds k_held_max{500};
/// A store that is merely slow frees memory sooner than this.
constexpr std::chrono::seconds k_paused_by_others_max{2};

}  // namespace

std::optional<std::size_t> MemoryBudget::to_flush(const std::vector<LaneMemory>& lanes) const {
  std::uint64_t open = 0;
  std::optional<std::size_t> largest;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    open += lanes[i].open;
    if (lanes[i].open == 0 || lanes[i].writing > 0) continue;
    if (!largest || lanes[i].open > lanes[*largest].open) largest = i;
  }
  const bool needed = open >= limit_ / 2 || intake_ == Intake::kPaused;
  if (!needed || !largest || lanes[*largest].open < kept_for_each(lanes.size()) / 2) return {};
  return largest;
}

Intake MemoryBudget::decide(const std::vector<LaneMemory>& lanes, SteadyTime now) {
  const std::uint64_t held = held_bytes(lanes);
  if (intake_ == Intake::kPaused) {
    if (held <= limit_ / 2) intake_ = Intake::kOpen;
    return intake_;
  }
  const std::uint64_t unencoded = std::accumulate(
      lanes.begin(), lanes.end(), std::uint64_t{0},
      [](std::uint64_t sum, const LaneMemory& lane) { return sum + lane.unencoded; });
  if (held <= limit_ && unencoded <= limit_ / 8) return intake_ = Intake::kOpen;
  if (intake_ == Intake::kOpen) held_since_ = now;
  paused_since_ = now;
  return intake_ = now - held_since_ < k_held_max ? Intake::kHeld : Intake::kPaused;
}

Intake MemoryBudget::intake_of(const LaneMemory& lane, Intake before, std::size_t lanes,
                               SteadyTime now) const {
  if (intake_ != Intake::kPaused || now - paused_since_ < k_paused_by_others_max) return intake_;
  const std::uint64_t kept = kept_for_each(lanes);
  const std::uint64_t most = before == Intake::kPaused ? kept / 2 : kept;
  return lane.open + lane.writing <= most ? Intake::kOpen : Intake::kPaused;
}

std::uint64_t MemoryBudget::kept_for_each(std::size_t lanes) const { return limit_ / 8 / lanes; }

std::uint64_t held_bytes(const std::vector<LaneMemory>& lanes) {
  return std::accumulate(
      lanes.begin(), lanes.end(), std::uint64_t{0},
      [](std::uint64_t sum, const LaneMemory& lane) { return sum + lane.open + lane.writing; });
}

}  // namespace bronze::ingest
