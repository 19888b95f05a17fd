#include "observe/history.h"

#include <gtest/gtest.h>

#include <chrono>

namespace bronze::observe {
namespace {

using std::chrono::seconds;

class HistoryTest : public testing::Test {
 protected:
  void note(std::uint64_t rows, seconds later) {
    now_ += later;
    wall_ += later.count() * 1'000'000;
    history_.note({.rows_committed = rows, .bytes_committed = rows * 10, .lag = 7}, now_, wall_);
  }

  History history_;
  SteadyTime now_;
  UnixMicros wall_ = 0;
};

TEST_F(HistoryTest, AStepIsWhatWasCommittedInTenSeconds) {
  note(5, seconds(0));
  note(8, seconds(4));
  EXPECT_TRUE(history_.steps().steps.empty());

  note(11, seconds(6));

  const auto steps = history_.steps();
  ASSERT_EQ(steps.steps.size(), 1U);
  EXPECT_EQ(steps.steps[0].rows, 6U);
  EXPECT_EQ(steps.steps[0].bytes, 60U);
  EXPECT_EQ(steps.steps[0].lag, 7);
  EXPECT_EQ(steps.end, 10'000'000);
}

TEST_F(HistoryTest, HoldsAnHour) {
  for (std::uint64_t i = 0; i < 1'000; ++i) note(i, seconds(10));
  EXPECT_EQ(history_.steps().steps.size(), History::k_steps_max);
  EXPECT_EQ(history_.steps().steps.back().rows, 1U);
}

TEST_F(HistoryTest, TimeThatWasMissedIsOneStep) {
  note(0, seconds(0));
  note(100, seconds(65));
  note(101, seconds(5));
  const auto steps = history_.steps();
  ASSERT_EQ(steps.steps.size(), 2U);
  EXPECT_EQ(steps.steps[0].rows, 100U);
  EXPECT_EQ(steps.steps[1].rows, 1U);
}

}  // namespace
}  // namespace bronze::observe
