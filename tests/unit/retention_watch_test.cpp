#include "ingest/retention_watch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <ostream>
#include <random>

#include "fakes/fake_clock.h"

namespace bronze::ingest {
namespace {

using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Partition k_partition{3};

class RetentionWatchTest : public testing::Test {
 protected:
  /// A minute later the partition begins, is committed and ends there.
  void look(std::int64_t earliest, std::int64_t committed, std::int64_t end) {
    clock_.advance(minutes(1));
    const RetentionWatch::Reaches behind{{k_partition, {Offset{committed}, Offset{end}}}};
    ASSERT_TRUE(watch_.is_due());
    ASSERT_EQ(watch_.begin(behind), std::vector{k_partition});
    watch_.asked(++request_);
    watch_.on_offsets(
        {.request = request_, .error = "", .offsets = {{k_partition, Offset{earliest}}}}, behind);
  }
  /// Nothing changes for so long.
  void rest(int looks, std::int64_t earliest, std::int64_t committed, std::int64_t end) {
    for (int i = 0; i < looks; ++i) look(earliest, committed, end);
  }
  [[nodiscard]] std::optional<Duration> left() const { return watch_.loses_data_in(k_partition); }

  fakes::FakeClock clock_;
  RetentionWatch watch_{clock_, seconds(10)};
  kafka::RequestId request_ = 0;
};

TEST_F(RetentionWatchTest, OneStepOfDeletionWhileInStepWithTheEndTellsNoRate) {
  look(0, 60'000, 60'250);
  for (int i = 1; i < 90; ++i) {
    look(40'000, 60'000 + i * 3'600, 60'250 + i * 3'600);
    EXPECT_EQ(left(), std::nullopt) << i;
  }
}

TEST_F(RetentionWatchTest, NorDoesItOfAStoppedPartition) {
  look(0, 60'000, 60'250);
  for (int i = 1; i < 90; ++i) {
    look(40'000, 60'000, 90'000);
    EXPECT_EQ(left(), std::nullopt) << i;
  }
}

TEST_F(RetentionWatchTest, AStoppedPartitionIsToldHowLongItHas) {
  look(0, 10'000, 12'000);
  rest(30, 100, 10'000, 12'000);
  EXPECT_EQ(left(), std::nullopt) << "a first deletion may have taken anything";

  look(200, 10'000, 12'000);

  // 100 in half an hour.
  EXPECT_EQ(duration_cast<minutes>(*left()), minutes(9'800 * 30 / 100));
  rest(30, 200, 10'000, 12'000);
  EXPECT_EQ(duration_cast<minutes>(*left()), minutes(9'800 * 60 / 100)) << "no more since";
}

TEST_F(RetentionWatchTest, WhoFallsBehindIsToldBeforeItIsOvertaken) {
  // 900 come and 600 are copied in a minute, and what is a day old is deleted.
  constexpr std::int64_t k_day = 24 * 60;
  std::int64_t told_at = 0;
  for (std::int64_t i = 1; i < 3 * k_day; ++i) {
    const std::int64_t earliest = std::max<std::int64_t>(0, i - k_day) * 900;
    ASSERT_LE(earliest, i * 600);
    look(earliest, i * 600, i * 900);
    if (!left()) continue;
    told_at = i;
    break;
  }
  // Overtaken after three days.
  EXPECT_GT(told_at, 0);
  EXPECT_NEAR(static_cast<double>(left()->count()),
              static_cast<double>(Duration(minutes(3 * k_day - told_at)).count()), 1e12);
  EXPECT_GT(*left(), hours(12));
}

TEST_F(RetentionWatchTest, WhoCopiesAllInTimeLosesNothing) {
  // 2,000 go in a minute, and 1,000 are copied; yet of the 50,000 that are left all are copied
  // before the 100,000 that are in the tables are deleted.
  for (int i = 0; i < 40; ++i) look(i * 2'000, 150'000 + i * 1'000, 240'000);
  EXPECT_EQ(left(), std::nullopt);
}

TEST_F(RetentionWatchTest, ABurstThatHasJustComeIsNotWhatHoldsItUp) {
  for (int i = 0; i < 40; ++i) look(i * 100, 10'000, 10'001);
  EXPECT_NE(left(), std::nullopt);
  for (int i = 40; i < 52; ++i) look(i * 100, 10'000 + i, 10'001 + i);
  look(5'200, 10'052, 1'000'000);
  EXPECT_EQ(left(), std::nullopt);
}

TEST_F(RetentionWatchTest, WhatIsLostAlreadyIsNow) {
  look(0, 1000, 2000);
  look(1001, 1000, 2000);
  EXPECT_EQ(left(), seconds(0));
}

TEST_F(RetentionWatchTest, WhatIsMoreThanAWeekAwayIsNoNews) {
  for (int i = 0; i < 40; ++i) look(i, 100'000, 200'000);
  EXPECT_EQ(left(), std::nullopt);
}

TEST_F(RetentionWatchTest, LooksOnceAMinuteAndForgetsWhoHasCaughtUp) {
  for (int i = 0; i < 40; ++i) look(i * 100, 10'000, 20'000);
  EXPECT_NE(left(), std::nullopt);
  EXPECT_FALSE(watch_.is_due());
  clock_.advance(minutes(1));

  EXPECT_TRUE(watch_.begin({}).empty());

  EXPECT_EQ(left(), std::nullopt);
}

TEST_F(RetentionWatchTest, ATopicThatIsCreatedAgainBeginsAnew) {
  for (int i = 0; i < 40; ++i) look(i * 100, 10'000, 20'000);
  look(0, 10, 5'000);
  look(100, 10'000, 20'000);
  EXPECT_EQ(left(), std::nullopt);
}

TEST_F(RetentionWatchTest, DeletionsOfMoreThanADayAgoDoNotCount) {
  for (int i = 0; i < 40; ++i) look(i * 100, 10'000, 20'000);
  rest(24 * 60, 3'900, 10'000, 20'000);
  EXPECT_EQ(left(), std::nullopt);
}

/// A partition whose records Kafka keeps for a time, by whole segments, minute by minute.
struct Segments {
  struct Segment {
    std::int64_t first;
    std::int64_t last_at;
  };
  minutes retention;
  std::int64_t segment_records;
  std::int64_t end = 0;
  std::deque<Segment> kept = {};

  [[nodiscard]] std::int64_t earliest() const { return kept.empty() ? end : kept.front().first; }
  void append(std::int64_t records, std::int64_t minute) {
    if (records > 0) {
      if (kept.empty() || end - kept.back().first >= segment_records) kept.push_back({end, minute});
      kept.back().last_at = minute;
      end += records;
    }
    while (!kept.empty() && minute - kept.front().last_at > retention.count()) kept.pop_front();
  }
};

struct Topic {
  const char* name;
  minutes retention;
  std::int64_t segment_records;
  /// In that minute; `chance` is of 0 to 99.
  std::function<std::int64_t(std::int64_t minute, int chance)> produced;
};

void PrintTo(const Topic& topic, std::ostream* out) { *out << topic.name; }

class RetentionOf : public testing::TestWithParam<Topic> {
 protected:
  /// Until `told` is false: what the watch says each minute of a lane of which `to_go` tells what
  /// it has not copied yet of what there is and of what has just come.
  void live(hours duration,
            const std::function<std::int64_t(std::int64_t minute, std::int64_t lag,
                                             std::int64_t produced)>& to_go,
            const std::function<bool(std::int64_t minute, std::optional<Duration>)>& told) {
    std::mt19937 random(7);
    fakes::FakeClock clock;
    RetentionWatch watch(clock, seconds(10));
    Segments partition{GetParam().retention, GetParam().segment_records};
    std::int64_t committed = 0;
    for (std::int64_t minute = 0; minute < minutes(duration).count(); ++minute) {
      clock.advance(minutes(1));
      const auto chance = static_cast<int>(random() % 100);
      const std::int64_t produced = GetParam().produced(minute, chance);
      partition.append(produced, minute);
      committed = partition.end - to_go(minute, partition.end - committed, produced);
      RetentionWatch::Reaches behind;
      if (committed < partition.end) {
        behind[k_partition] = {Offset{committed}, Offset{partition.end}};
      }
      if (watch.begin(behind).empty()) continue;
      watch.on_offsets(
          {.request = 0, .error = "", .offsets = {{k_partition, Offset{partition.earliest()}}}},
          behind);
      if (!told(minute, watch.loses_data_in(k_partition))) return;
    }
  }
};

TEST_P(RetentionOf, ALaneThatKeepsUpIsNeverSaidToLoseRecords) {
  // What came in the last seconds is not written yet; a big burst takes some minutes.
  const auto keeps_up = [](auto, std::int64_t lag, std::int64_t produced) {
    return std::max<std::int64_t>((produced + 5) / 6, lag - 1'000'000);
  };
  live(hours(24 * 12), keeps_up, [&](std::int64_t minute, std::optional<Duration> left) {
    EXPECT_EQ(left, std::nullopt) << "in minute " << minute;
    return !left;
  });
}

TEST_P(RetentionOf, APartitionThatIsStoppedIsWarnedInGoodTime) {
  const std::int64_t stopped_at = minutes(hours(24 * 9)).count();
  const auto stops = [&](std::int64_t minute, std::int64_t lag, std::int64_t produced) {
    return minute < stopped_at ? (produced + 5) / 6 : lag;
  };
  std::optional<std::int64_t> warned_at;
  std::optional<std::int64_t> lost_at;
  live(hours(24 * 22), stops, [&](std::int64_t minute, std::optional<Duration> left) {
    if (left && *left < hours(24) && !warned_at) warned_at = minute;
    if (left == Duration{}) lost_at = minute;
    return !lost_at;
  });
  ASSERT_TRUE(lost_at);
  ASSERT_TRUE(warned_at);
  EXPECT_GT(*warned_at, stopped_at);
  const std::int64_t good_time = std::min<std::int64_t>(10 * 60, GetParam().retention.count() / 3);
  EXPECT_GE(*lost_at - *warned_at, good_time);
}

const Topic k_topics[] = {
    {"a hundred segments", hours(24 * 7), 60'480, [](auto, int) { return 600; }},
    {"short retention", hours(1), 600, [](auto, int) { return 600; }},
    {"by day and by night", hours(24 * 3), 20'000,
     [](std::int64_t minute, int) { return minute / 720 % 2 == 0 ? 5'000 : 40; }},
    {"bursts", hours(24), 50'000,
     [](std::int64_t minute, int) { return minute % 60 == 0 ? 3'000'000 : 20; }},
    {"by chance", hours(24), 1'000,
     [](auto, int chance) { return chance < 10 ? chance * 500 : chance % 3; }},
};

INSTANTIATE_TEST_SUITE_P(Each, RetentionOf, testing::ValuesIn(k_topics));

}  // namespace
}  // namespace bronze::ingest
