#include "ingest/memory_budget.h"

#include <algorithm>
#include <chrono>

namespace bronze::ingest {
namespace {

/// Encoders and a healthy store free memory sooner than this.
constexpr std::chrono::milliseconds k_held_max{500};

}  // namespace

std::optional<std::size_t> MemoryBudget::to_flush(const std::vector<LaneMemory>& lanes) const {
  std::uint64_t open = 0;
  std::optional<std::size_t> largest;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    if (lanes[i].stuck) continue;
    open += lanes[i].open;
    if (lanes[i].open == 0 || lanes[i].writing > 0) continue;
    if (!largest || lanes[i].open > lanes[*largest].open) largest = i;
  }
  return open >= share_ / 2 ? largest : std::nullopt;
}

Intake MemoryBudget::decide(const std::vector<LaneMemory>& lanes, SteadyTime now) {
  std::uint64_t held = 0;
  std::uint64_t held_by_stuck = 0;
  std::uint64_t unencoded = 0;
  for (const LaneMemory& lane : lanes) {
    (lane.stuck ? held_by_stuck : held) += lane.open + lane.writing;
    if (!lane.stuck) unencoded += lane.unencoded;
  }
  const std::uint64_t most = limit_ + limit_ / 8;
  share_ = std::min(limit_, most - std::min(most, held_by_stuck));
  if (held + held_by_stuck > limit_ - limit_ / 8) intake_of_stuck_ = Intake::kPaused;
  if (held + held_by_stuck <= limit_ / 2) intake_of_stuck_ = Intake::kOpen;
  // Of next to nothing each lane would take its part and be stuck with it.
  if (share_ < limit_ / 16) return intake_ = Intake::kPaused;
  if (intake_ == Intake::kPaused) {
    if (held <= share_ / 2) intake_ = Intake::kOpen;
    return intake_;
  }
  if (held <= share_ && unencoded <= share_ / 8) return intake_ = Intake::kOpen;
  if (intake_ == Intake::kOpen) held_since_ = now;
  return intake_ = now - held_since_ < k_held_max ? Intake::kHeld : Intake::kPaused;
}

Intake MemoryBudget::intake_of(const LaneMemory& lane) const {
  return lane.stuck ? intake_of_stuck_ : intake_;
}

std::uint64_t held_bytes(const std::vector<LaneMemory>& lanes) {
  std::uint64_t sum = 0;
  for (const LaneMemory& lane : lanes) sum += lane.open + lane.writing;
  return sum;
}

}  // namespace bronze::ingest
