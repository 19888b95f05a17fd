#include "ingest/retention_watch.h"

#include <gtest/gtest.h>

#include <chrono>

#include "fakes/fake_clock.h"

namespace bronze::ingest {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class RetentionWatchTest : public testing::Test {
 protected:
  /// A minute later the partition begins and is committed there.
  void look(std::int64_t earliest, std::int64_t committed) {
    clock_.advance(minutes(1));
    const OffsetMap behind{{k_partition, Offset{committed}}};
    ASSERT_TRUE(watch_.is_due());
    ASSERT_EQ(watch_.begin(behind), std::vector{k_partition});
    watch_.asked(++request_);
    watch_.on_offsets(
        {.request = request_, .error = "", .offsets = {{k_partition, Offset{earliest}}}}, behind);
  }

  static constexpr Partition k_partition{3};
  fakes::FakeClock clock_;
  RetentionWatch watch_{clock_};
  kafka::RequestId request_ = 0;
};

TEST_F(RetentionWatchTest, TellsWhenRetentionOvertakesWhatIsCommitted) {
  look(0, 1000);
  EXPECT_EQ(watch_.loses_data_in(k_partition), std::nullopt) << "one look tells no rate";

  look(100, 1000);

  // 900 are left, 100 go each minute.
  EXPECT_EQ(watch_.loses_data_in(k_partition), minutes(9));
}

TEST_F(RetentionWatchTest, WhoIsFasterThanRetentionLosesNothing) {
  look(0, 1000);
  look(100, 1100);
  EXPECT_EQ(watch_.loses_data_in(k_partition), std::nullopt);
}

TEST_F(RetentionWatchTest, WhatIsLostAlreadyIsNow) {
  look(0, 1000);
  look(1001, 1000);
  EXPECT_EQ(watch_.loses_data_in(k_partition), seconds(0));
}

TEST_F(RetentionWatchTest, WhatIsWeeksAwayIsNoNews) {
  look(0, 1'000'000'000);
  look(1, 1'000'000'000);
  EXPECT_EQ(watch_.loses_data_in(k_partition), std::nullopt);
}

TEST_F(RetentionWatchTest, LooksOnceAMinuteAndForgetsWhoHasCaughtUp) {
  look(0, 1000);
  look(100, 1000);
  EXPECT_FALSE(watch_.is_due());
  clock_.advance(minutes(1));

  EXPECT_TRUE(watch_.begin({}).empty());

  EXPECT_EQ(watch_.loses_data_in(k_partition), std::nullopt);
}

TEST_F(RetentionWatchTest, TheRateIsThatOfTheLastHour) {
  look(0, 100'000);
  for (int minute = 0; minute < 61; ++minute) look(50'000, 100'000);
  EXPECT_EQ(watch_.loses_data_in(k_partition), std::nullopt) << "the burst is an hour old";
}

}  // namespace
}  // namespace bronze::ingest
