#include "base/date.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bronze {
namespace {

constexpr UnixMicros k_second = 1'000'000;
constexpr UnixMicros k_day = 86'400 * k_second;

struct DateCase {
  UnixMicros time;
  std::string date;
};

TEST(UtcDate, IsTheDateOfTheMomentInUtc) {
  const std::vector<DateCase> cases = {
      {0, "1970-01-01"},
      {k_day - 1, "1970-01-01"},
      {k_day, "1970-01-02"},
      {-1, "1969-12-31"},
      {-k_day, "1969-12-31"},
      {-k_day - 1, "1969-12-30"},
      {951'782'400 * k_second - 1, "2000-02-28"},
      {951'782'400 * k_second, "2000-02-29"},
      {951'868'800 * k_second, "2000-03-01"},
      {4'107'542'400 * k_second, "2100-03-01"},
      {4'107'542'400 * k_second - 1, "2100-02-28"},
      {1'772'409'599'999'999, "2026-03-01"},
      {1'772'409'600'000'000, "2026-03-02"},
      {-62'135'596'800 * k_second, "0001-01-01"},
      {253'402'300'799 * k_second, "9999-12-31"},
  };
  for (const auto& [time, date] : cases) EXPECT_EQ(utc_date(time), date) << time;
}

TEST(UtcDate, EveryDayOfFourCenturiesComesAfterTheDayBefore) {
  std::string previous = utc_date(0);
  for (int day = 1; day < 146'097; ++day) {
    const std::string date = utc_date(day * k_day);
    ASSERT_LT(previous, date);
    ASSERT_EQ(date.size(), 10U);
    previous = date;
  }
  EXPECT_EQ(previous, "2369-12-31");
}

}  // namespace
}  // namespace bronze
