#include "commands/topic_match.h"

#include <gtest/gtest.h>

namespace bronze::commands {
namespace {

using Names = std::vector<std::string>;

config::Config config_of(Names topics, Names patterns) {
  config::Config config;
  config.kafka.topics = std::move(topics);
  config.kafka.patterns = std::move(patterns);
  config.store.base_uri = "s3://lake";
  return config;
}

TEST(TopicMatch, EachTopicIsNamedOnceInOrder) {
  const auto match = match_topics(config_of({"trips"}, {"^t", "^trip", "^x"}),
                                  {"trips2", "other", "__t", "tolls", "trips"});
  EXPECT_EQ(match.topics, (Names{"tolls", "trips2"}));
  EXPECT_EQ(match.of_pattern.at("^t"), (Names{"tolls", "trips", "trips2"}));
  EXPECT_EQ(match.of_pattern.at("^trip"), (Names{"trips", "trips2"}));
  EXPECT_EQ(match.of_pattern.at("^x"), Names{});
  EXPECT_TRUE(match.refused.empty());
}

TEST(TopicMatch, ATopicThatWouldShareATableIsRefusedAsByTheService) {
  const auto match = match_topics(config_of({"b_b"}, {"^."}), {"a_a", "a-a", "b-b", "b_b", "c"});
  EXPECT_EQ(match.topics, (Names{"a-a", "a_a", "b-b", "c"}));
  ASSERT_EQ(match.refused.size(), 2U);
  EXPECT_NE(match.refused.at("a_a").find("dlq_bronze_a_a"), std::string::npos);
  EXPECT_NE(match.refused.at("b-b").find("b_b"), std::string::npos);
}

TEST(TopicMatch, ANameTooLongForALocalFolderIsRefused) {
  auto config = config_of({}, {"^."});
  config.store.base_uri = "file:///lake";
  const std::string longest(249, 'x');
  EXPECT_TRUE(match_topics(config, {longest}).refused.contains(longest));
}

}  // namespace
}  // namespace bronze::commands
