#include "base/readable.h"

#include <gtest/gtest.h>

namespace bronze {
namespace {

TEST(Readable, Counts) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1'000), "1,000");
  EXPECT_EQ(with_commas(1'234'567), "1,234,567");
  EXPECT_EQ(counted(1, "topic"), "1 topic");
  EXPECT_EQ(counted(0, "topic"), "0 topics");
  EXPECT_EQ(counted(2'000, "topic"), "2,000 topics");
}

TEST(Readable, Rates) {
  EXPECT_EQ(rate_text(0), "0");
  EXPECT_EQ(rate_text(0.04), "0.0");
  EXPECT_EQ(rate_text(9.94), "9.9");
  EXPECT_EQ(rate_text(9.96), "10");
  EXPECT_EQ(rate_text(1'234.5), "1,235");
}

TEST(Readable, Bytes) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1'023), "1023 B");
  EXPECT_EQ(bytes_text(1'024), "1.0 KiB");
  EXPECT_EQ(bytes_text(1'048'575), "1.0 MiB");
  EXPECT_EQ(bytes_text(268'435'456), "256.0 MiB");
}

TEST(Readable, Durations) {
  EXPECT_EQ(duration_text(0), "0 s");
  EXPECT_EQ(duration_text(0.184), "184 ms");
  EXPECT_EQ(duration_text(0.9996), "1.0 s");
  EXPECT_EQ(duration_text(3), "3 s");
  EXPECT_EQ(duration_text(2.44), "2.4 s");
  EXPECT_EQ(duration_text(59.6), "1 min 0 s");
  EXPECT_EQ(duration_text(192), "3 min 12 s");
  EXPECT_EQ(duration_text(18'060), "5 h 1 min");
  EXPECT_EQ(duration_text(93'784.5), "1 d 2 h");
}

TEST(Readable, WhatIsOnlyAboutKnown) {
  EXPECT_EQ(about_text(48.25), "48 s");
  EXPECT_EQ(about_text(754.5), "13 min");
  EXPECT_EQ(about_text(18'000), "5 h");
  EXPECT_EQ(about_text(270'000), "3 days");
}

}  // namespace
}  // namespace bronze
