#include "config/topic_pattern.h"

#include <gtest/gtest.h>

namespace bronze::config {
namespace {

bool matches(const std::string& pattern, const std::string& topic) {
  const TopicPattern compiled(pattern);
  EXPECT_FALSE(compiled.fault()) << *compiled.fault();
  return compiled.matches(topic);
}

TEST(TopicPattern, IsAnExtendedRegularExpression) {
  EXPECT_TRUE(matches("^orders\\.(eu|us)\\..*", "orders.eu.paris"));
  EXPECT_FALSE(matches("^orders\\.(eu|us)\\..*", "orders.asia.tokyo"));
  EXPECT_TRUE(matches("^a{2}$", "aa"));
  EXPECT_FALSE(matches("^a{2}$", "aaa"));
}

TEST(TopicPattern, MatchesTheBeginningOfANameUnlessItSaysWhereTheNameEnds) {
  EXPECT_TRUE(matches("^trips", "trips"));
  EXPECT_TRUE(matches("^trips", "trips_archive"));
  EXPECT_FALSE(matches("^trips", "old_trips"));
  EXPECT_FALSE(matches("^trips$", "trips_archive"));
  EXPECT_FALSE(matches("^trips", "Trips"));
}

TEST(TopicPattern, NeverMatchesInternalTopicsAndDeadLetters) {
  EXPECT_FALSE(matches("^.*", "__consumer_offsets"));
  EXPECT_FALSE(matches("^__consumer", "__consumer_offsets"));
  EXPECT_FALSE(matches("^.*", "dlq_bronze_trips"));
  EXPECT_TRUE(matches("^.*", "_trips"));
  EXPECT_TRUE(matches("^.*", "dlq_trips"));
}

TEST(TopicPattern, SaysWhatIsWrongWithIt) {
  EXPECT_TRUE(TopicPattern("^a(").fault());
  EXPECT_FALSE(TopicPattern("^a()").fault());
}

}  // namespace
}  // namespace bronze::config
