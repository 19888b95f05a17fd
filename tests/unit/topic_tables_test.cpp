#include "config/topic_tables.h"

#include <gtest/gtest.h>

namespace bronze::config {
namespace {

TEST(TopicTables, AreOfOneTopicEach) {
  TopicTables tables(249);
  EXPECT_FALSE(tables.claim("a-b"));
  EXPECT_FALSE(tables.claim("a.b"));
  const auto why_not = tables.claim("a_b");
  ASSERT_TRUE(why_not);
  EXPECT_NE(why_not->find("'a-b' and 'a_b' would share the dead-letter table dlq_bronze_a_b"),
            std::string::npos)
      << *why_not;
}

TEST(TopicTables, AreThoseOfTheSameTopicWhenItComesBack) {
  TopicTables tables(249);
  EXPECT_FALSE(tables.claim("a-b"));
  EXPECT_FALSE(tables.claim("a-b"));
  EXPECT_TRUE(tables.claim("a_b")) << "the tables of the first stay its own";
}

TEST(TopicTables, HaveNamesThatAFileSystemTakes) {
  TopicTables local(topic_bytes_max({.base_uri = "file:///data", .options = {}}));
  EXPECT_FALSE(local.claim(std::string(244, 'x')));
  const auto why_not = local.claim(std::string(245, 'x'));
  ASSERT_TRUE(why_not);
  EXPECT_NE(why_not->find("at most 244"), std::string::npos) << *why_not;
  TopicTables bucket(topic_bytes_max({.base_uri = "s3://bucket", .options = {}}));
  EXPECT_FALSE(bucket.claim(std::string(249, 'x')));
}

}  // namespace
}  // namespace bronze::config
