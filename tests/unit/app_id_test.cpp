#include "ingest/app_id.h"

#include <gtest/gtest.h>

#include "kafka/topic_identity.h"

namespace bronze::ingest {
namespace {

TEST(AppId, NamesGroupTopicAndPartition) {
  const TopicIdentity identity{"c2EjV1_bQxK-x9X0e0Yw9A", 1};
  EXPECT_EQ(partition_app_id("bronze-ingestion", identity, Partition{7}),
            "bronze/bronze-ingestion/c2EjV1_bQxK-x9X0e0Yw9A/7");
  EXPECT_EQ(registry_app_id("bronze-ingestion", "trips"), "bronze/bronze-ingestion/trips");
}

TEST(AppId, GroupsThatDifferOnlyInSeparatorsHaveDifferentNames) {
  EXPECT_EQ(percent_encode("a/b"), "a%2Fb");
  EXPECT_EQ(percent_encode("a%2Fb"), "a%252Fb");
  EXPECT_EQ(percent_encode("gr\xC3\xBCn"), "gr%C3%BCn");
}

TEST(TopicIdentity, IsUrlSafeBase64OfTheUuid) {
  // Sixteen bytes 0xFB 0xFF.. exercise both characters that differ from plain base64.
  const auto identity = kafka::identity_from_uuid(-0x0400000000000001, -1);
  EXPECT_EQ(identity.text, "-____________________w");
  EXPECT_EQ(kafka::identity_from_uuid(0, 1).text, "AAAAAAAAAAAAAAAAAAAAAQ");
}

TEST(TopicIdentity, NumberIsTheFirst63Bits) {
  EXPECT_EQ(kafka::identity_from_uuid(-1, 0).number, 0x7FFFFFFFFFFFFFFF);
  EXPECT_EQ(kafka::identity_from_uuid(2, -1).number, 1);
}

}  // namespace
}  // namespace bronze::ingest
