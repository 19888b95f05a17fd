#include "ingest/memory_budget.h"

#include <gtest/gtest.h>

namespace bronze::ingest {
namespace {

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

TEST(MemoryBudget, PausesAboveTheShareUntilHalfOfItIsFree) {
  MemoryBudget budget(100);
  EXPECT_FALSE(budget.pauses(Lanes{{.open = 50, .writing = 50}}));
  EXPECT_TRUE(budget.pauses(Lanes{{.open = 51, .writing = 50}}));
  EXPECT_TRUE(budget.pauses(Lanes{{.open = 51}}));
  EXPECT_FALSE(budget.pauses(Lanes{{.open = 50}}));
  EXPECT_FALSE(budget.paused());
}

}  // namespace
}  // namespace bronze::ingest
