#include "ingest/memory_budget.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace bronze::ingest {
namespace {

using namespace std::chrono_literals;

using Lanes = std::vector<LaneMemory>;

TEST(MemoryBudget, FlushesTheLargestOnceOpenBatchesHoldHalf) {
  const MemoryBudget budget(100);
  EXPECT_EQ(budget.to_flush(Lanes{{.open = 20}, {.open = 29}}), std::nullopt);
  EXPECT_EQ(budget.to_flush(Lanes{{.open = 20}, {.open = 30}}), 1U);
  EXPECT_EQ(budget.to_flush(Lanes{}), std::nullopt);
}

TEST(MemoryBudget, WhatIsBeingWrittenMakesNoOtherBatchSmaller) {
  const MemoryBudget budget(100);
  EXPECT_EQ(budget.to_flush(Lanes{{.open = 5, .writing = 45}, {.open = 10}}), std::nullopt);
}

TEST(MemoryBudget, ALaneThatWritesIsPassedOver) {
  const MemoryBudget budget(100);
  EXPECT_EQ(budget.to_flush(Lanes{{.open = 40, .writing = 1}, {.open = 10}}), 1U);
  EXPECT_EQ(budget.to_flush(Lanes{{.open = 60, .writing = 1}}), std::nullopt);
}

TEST(MemoryBudget, HoldsRecordsBackAboveTheShare) {
  MemoryBudget budget(100);
  const SteadyTime now{};
  EXPECT_EQ(budget.decide(Lanes{{.open = 50, .writing = 50}}, now), Intake::kOpen);
  EXPECT_EQ(budget.decide(Lanes{{.open = 51, .writing = 50}}, now), Intake::kHeld);
  EXPECT_EQ(budget.decide(Lanes{{.open = 50, .writing = 50}}, now), Intake::kOpen);
}

TEST(MemoryBudget, HoldsRecordsBackWhileEncodersLag) {
  MemoryBudget budget(100);
  const SteadyTime now{};
  EXPECT_EQ(budget.decide(Lanes{{.open = 20, .unencoded = 12}}, now), Intake::kOpen);
  EXPECT_EQ(budget.decide(Lanes{{.open = 20, .unencoded = 12}, {.unencoded = 1}}, now),
            Intake::kHeld);
}

TEST(MemoryBudget, PausesWhenItLastsUntilHalfOfTheShareIsFree) {
  MemoryBudget budget(100);
  SteadyTime now{};
  EXPECT_EQ(budget.decide(Lanes{{.open = 101}}, now), Intake::kHeld);
  EXPECT_EQ(budget.decide(Lanes{{.open = 99}}, now += 499ms), Intake::kOpen);
  EXPECT_EQ(budget.decide(Lanes{{.open = 101}}, now += 1s), Intake::kHeld) << "counts anew";
  EXPECT_EQ(budget.decide(Lanes{{.open = 101}}, now += 499ms), Intake::kHeld);
  EXPECT_EQ(budget.decide(Lanes{{.open = 101}}, now += 1ms), Intake::kPaused);
  EXPECT_EQ(budget.decide(Lanes{{.open = 51}}, now), Intake::kPaused);
  EXPECT_EQ(budget.decide(Lanes{{.open = 50}}, now), Intake::kOpen);
}

TEST(MemoryBudget, StuckLanesStopAtSevenEighthsUntilHalfIsFree) {
  MemoryBudget budget(1600);
  const auto intake = [&](std::uint64_t open, std::uint64_t writing) {
    const LaneMemory stuck{.open = open, .writing = writing, .stuck = true};
    budget.decide({stuck}, {});
    return budget.intake_of(stuck);
  };
  EXPECT_EQ(intake(800, 600), Intake::kOpen);
  EXPECT_EQ(intake(801, 600), Intake::kPaused);
  EXPECT_EQ(intake(201, 600), Intake::kPaused);
  EXPECT_EQ(intake(200, 600), Intake::kOpen);
}

TEST(MemoryBudget, TheOthersHaveWhatIsLeftOfNineEighths) {
  MemoryBudget budget(1600);
  SteadyTime now{};
  const LaneMemory stuck{.open = 800, .writing = 800, .stuck = true};
  const auto decide = [&](std::uint64_t open) {
    const LaneMemory other{.open = open};
    budget.decide({stuck, other}, now);
    return budget.intake_of(other);
  };
  EXPECT_EQ(decide(200), Intake::kOpen);
  EXPECT_EQ(decide(201), Intake::kHeld);
  now += 500ms;
  EXPECT_EQ(decide(201), Intake::kPaused);
  EXPECT_EQ(decide(101), Intake::kPaused);
  EXPECT_EQ(decide(100), Intake::kOpen);
  EXPECT_EQ(budget.intake_of(stuck), Intake::kPaused);
}

TEST(MemoryBudget, TheOthersWriteEarlyByWhatIsLeft) {
  MemoryBudget budget(1600);
  const LaneMemory stuck{.open = 1600, .stuck = true};
  budget.decide({stuck}, {});
  EXPECT_EQ(budget.to_flush({stuck, {.open = 99}}), std::nullopt);
  EXPECT_EQ(budget.to_flush({stuck, {.open = 100}}), 1U);
}

TEST(MemoryBudget, OfNextToNothingNobodyReads) {
  MemoryBudget budget(1600);
  const auto decide = [&](std::uint64_t held_by_stuck) {
    return budget.decide({{.writing = held_by_stuck, .stuck = true}, {}}, {});
  };
  EXPECT_EQ(decide(1700), Intake::kOpen);
  EXPECT_EQ(decide(1701), Intake::kPaused);
  EXPECT_EQ(decide(2000), Intake::kPaused);
  EXPECT_EQ(decide(1700), Intake::kOpen);
}

/// 200 lanes with a backlog and a store that takes nothing: each batch that is written stays.
TEST(MemoryBudget, WhenAllGetStuckOneAfterTheOtherTheMemoryIsBounded) {
  constexpr std::uint64_t k_limit = 32 << 20;
  /// What lanes take between two looks.
  constexpr std::uint64_t k_taken = 1 << 20;
  MemoryBudget budget(k_limit);
  std::mt19937 random(1);
  Lanes lanes(200);
  std::vector<SteadyTime> written_since(lanes.size());
  std::vector<bool> reads(lanes.size(), true);
  std::uint64_t most = 0;
  for (SteadyTime now{}; now < SteadyTime{} + 300s; now += 10ms) {
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      lanes[i].stuck = lanes[i].writing > 0 && now - written_since[i] >= 2s;
    }
    if (const auto flushed = budget.to_flush(lanes)) {
      std::swap(lanes[*flushed].open, lanes[*flushed].writing);
      written_since[*flushed] = now;
    }
    budget.decide(lanes, now);
    const std::size_t lane = random() % lanes.size();
    const bool takes = reads[lane] && budget.intake() != Intake::kHeld;
    if (takes) lanes[lane].open += k_taken;
    most = std::max(most, held_bytes(lanes));
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      reads[i] = budget.intake_of(lanes[i]) != Intake::kPaused;
    }
  }
  EXPECT_LE(most, k_limit / 8 * 9 + 2 * k_taken);
}

}  // namespace
}  // namespace bronze::ingest
