#include "demo/ledger.h"

#include <gtest/gtest.h>

#include "demo/pace.h"

namespace bronze::demo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Partition k_first{0};
constexpr Partition k_second{1};
constexpr SteadyTime k_begin{seconds(1'000)};

TEST(DemoLedgerTest, APartitionIsFullUntilWhatItHoldsIsWritten) {
  Ledger ledger(1, 2, 250);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(ledger.has_room(0, k_first, 100));
    ledger.on_produced(0, k_first, 100, k_begin);
  }
  EXPECT_FALSE(ledger.has_room(0, k_first, 100));
  EXPECT_TRUE(ledger.has_room(0, k_first, 50));
  EXPECT_TRUE(ledger.has_room(0, k_second, 100));
  ledger.on_written(0, k_second, Offset{0});
  EXPECT_FALSE(ledger.has_room(0, k_first, 100));
  ledger.on_written(0, k_first, Offset{1});
  EXPECT_TRUE(ledger.has_room(0, k_first, 100));
}

TEST(DemoLedgerTest, CountsAreOfAllPartitionsAndNeverGoBack) {
  Ledger ledger(2, 2, 1'000);
  for (int i = 0; i < 3; ++i) ledger.on_produced(1, k_first, 10, k_begin);
  ledger.on_produced(1, k_second, 20, k_begin);
  ledger.on_written(1, k_first, Offset{2});
  ledger.on_written(1, k_first, Offset{1});
  ledger.on_written(1, k_second, Offset{1});
  const TopicCount count = ledger.count(1, k_begin);
  EXPECT_EQ(count.produced, 4U);
  EXPECT_EQ(count.bytes, 50U);
  EXPECT_EQ(count.written, 3U);
  EXPECT_FALSE(ledger.all_written());
  ledger.on_written(1, k_first, Offset{3});
  EXPECT_TRUE(ledger.all_written());
  EXPECT_EQ(ledger.count(0, k_begin).produced, 0U);
}

TEST(DemoLedgerTest, BehindIsTheAgeOfTheOldestEventThatIsNotWritten) {
  Ledger ledger(1, 1, 1'000);
  EXPECT_EQ(ledger.count(0, k_begin).behind, Duration{});
  ledger.on_produced(0, k_first, 1, k_begin);
  ledger.on_produced(0, k_first, 1, k_begin + seconds(1));
  ledger.on_produced(0, k_first, 1, k_begin + seconds(2));
  EXPECT_EQ(ledger.count(0, k_begin + seconds(5)).behind, seconds(5));
  ledger.on_written(0, k_first, Offset{2});
  EXPECT_EQ(ledger.count(0, k_begin + seconds(5)).behind, seconds(3));
  ledger.on_written(0, k_first, Offset{3});
  EXPECT_EQ(ledger.count(0, k_begin + seconds(5)).behind, Duration{});
  ledger.on_produced(0, k_first, 1, k_begin + seconds(9));
  EXPECT_EQ(ledger.count(0, k_begin + seconds(10)).behind, seconds(1));
}

TEST(DemoPaceTest, TheRateIsKeptWhateverTheTurns) {
  Pace pace(1'000, k_begin);
  std::uint64_t sent = 0;
  for (SteadyTime now = k_begin; now <= k_begin + seconds(3); now += milliseconds(7)) {
    const std::uint64_t due = pace.due(now);
    pace.spend(due);
    sent += due;
  }
  EXPECT_NEAR(static_cast<double>(sent), 3'000, 8);
}

TEST(DemoPaceTest, APauseIsNotFollowedByAFlood) {
  Pace pace(1'000, k_begin);
  EXPECT_EQ(pace.due(k_begin + seconds(60)), 250U);
}

TEST(DemoPaceTest, EvenOneASecondComes) {
  Pace pace(1, k_begin);
  EXPECT_EQ(pace.due(k_begin + milliseconds(900)), 0U);
  EXPECT_EQ(pace.due(k_begin + milliseconds(1'100)), 1U);
}

TEST(DemoPaceTest, WhatIsNotSpentStaysDue) {
  Pace pace(100, k_begin);
  EXPECT_EQ(pace.due(k_begin + milliseconds(100)), 10U);
  pace.spend(4);
  EXPECT_EQ(pace.due(k_begin + milliseconds(100)), 6U);
}

}  // namespace
}  // namespace bronze::demo
