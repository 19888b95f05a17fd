#include "ingest/memory_budget.h"

#include <gtest/gtest.h>

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

/// Of two lanes, with 1,600 bytes: 100 are kept for each.
class MemoryBudgetWithAStuckLane : public testing::Test {
 protected:
  MemoryBudgetWithAStuckLane() {
    budget_.decide({k_stuck, {}}, now_);
    budget_.decide({k_stuck, {}}, now_ += 500ms);
  }

  /// After the next housekeeping.
  Intake intake_of(const LaneMemory& lane, Intake before) {
    EXPECT_EQ(budget_.decide({k_stuck, lane}, now_), Intake::kPaused);
    return budget_.intake_of(lane, before, 2, now_);
  }

  static constexpr LaneMemory k_stuck{.open = 801, .writing = 800};
  MemoryBudget budget_{1600};
  SteadyTime now_;
};

TEST_F(MemoryBudgetWithAStuckLane, TheOthersReadOnIntoWhatIsKeptForEach) {
  now_ += 1999ms;
  EXPECT_EQ(intake_of({}, Intake::kPaused), Intake::kPaused) << "it may be slow only";
  now_ += 1ms;
  EXPECT_EQ(intake_of(k_stuck, Intake::kPaused), Intake::kPaused);
  EXPECT_EQ(intake_of({.open = 51}, Intake::kPaused), Intake::kPaused);
  EXPECT_EQ(intake_of({.open = 50}, Intake::kPaused), Intake::kOpen);
  EXPECT_EQ(intake_of({.open = 50, .writing = 50}, Intake::kOpen), Intake::kOpen);
  EXPECT_EQ(intake_of({.open = 50, .writing = 51}, Intake::kOpen), Intake::kPaused);
}

TEST_F(MemoryBudgetWithAStuckLane, TheOthersWriteEarlyWhatIsWorthACommit) {
  EXPECT_EQ(budget_.to_flush({k_stuck, {.open = 49}}), std::nullopt);
  EXPECT_EQ(budget_.to_flush({k_stuck, {.open = 50}}), 1U);
  EXPECT_EQ(budget_.to_flush({k_stuck, {.open = 50, .writing = 1}}), std::nullopt);
}

TEST(MemoryBudget, WhatALaneCannotWriteMakesTheOthersNotCommitAllTheTime) {
  const MemoryBudget budget(1600);
  const LaneMemory stuck{.open = 900, .writing = 1};
  EXPECT_EQ(budget.to_flush({stuck, {.open = 49}}), std::nullopt);
  EXPECT_EQ(budget.to_flush({stuck, {.open = 50}}), 1U);
}

}  // namespace
}  // namespace bronze::ingest
