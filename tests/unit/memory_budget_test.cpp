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

}  // namespace
}  // namespace bronze::ingest
