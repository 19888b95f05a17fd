#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <optional>
#include <string>

#include "kafka/client.h"
#include "kafka/handles.h"
#include "kafka/rd_kafka_source.h"
#include "kafka/topic_identity.h"

// ThreadSanitizer breaks down at the threads that librdkafka makes by thrd_create.
#ifndef __SANITIZE_THREAD__

namespace bronze::kafka {
namespace {

using namespace std::chrono_literals;

constexpr std::int16_t k_metadata_request = 3;
/// The last version without topic ids, that of brokers before Kafka 2.8.
constexpr std::int16_t k_metadata_without_ids = 9;

using MockHandle = Handle<rd_kafka_mock_cluster_t, rd_kafka_mock_cluster_destroy>;

/// What the source makes of the description of `t` by librdkafka's mock broker.
std::optional<TopicDescription> describe(std::int16_t metadata_version_max) {
  const ClientHandle host =
      make_client({.type = RD_KAFKA_PRODUCER, .properties = {{"client.id", "mock"}}});
  const MockHandle cluster(rd_kafka_mock_cluster_new(host.get(), 1));
  // The mock names broker 0 as the controller, which such requests wait for.
  rd_kafka_mock_broker_add(cluster.get(), 0);
  rd_kafka_mock_topic_create(cluster.get(), "t", 2, 1);
  rd_kafka_mock_set_apiversion(cluster.get(), k_metadata_request, 0, metadata_version_max);
  const SystemClock clock;
  EventLog log(clock);
  RdKafkaSource source(
      {.properties = {{"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster.get())}},
       .group = "g",
       .queue_bytes = 1024 * 1024},
      log);
  static_cast<void>(source.describe_topics({"t"}, 10s));
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  while (std::chrono::steady_clock::now() < deadline) {
    const Event event = source.poll(1s);
    const auto* answer = std::get_if<TopicsDescribed>(&event);
    if (answer == nullptr) continue;
    if (answer->error.empty() && !answer->topics.empty()) return answer->topics.front();
    static_cast<void>(source.describe_topics({"t"}, 10s));
  }
  return std::nullopt;
}

TEST(TopicIds, ABrokerThatTellsNoneGivesClusterAndName) {
  const auto topic = describe(k_metadata_without_ids);
  ASSERT_TRUE(topic);
  EXPECT_EQ(topic->error, "");
  EXPECT_TRUE(topic->identity.text.ends_with(":t")) << topic->identity.text;
  EXPECT_GT(topic->identity.text.size(), 2U) << "the cluster's id is in it";
  EXPECT_EQ(topic->identity.number, 0);
  EXPECT_EQ(topic->partitions.size(), 2U);
}

TEST(TopicIds, TheTextIsTheOneThatKafkaPrintsAndTheNumberItsFirst63Bits) {
  const auto identity = identity_from_uuid(0x0123456789abcdef, 0x0011223344556677);
  EXPECT_EQ(identity.text, "ASNFZ4mrze8AESIzRFVmdw");
  EXPECT_EQ(identity.number, 0x0123456789abcdef >> 1);
  EXPECT_GE(identity_from_uuid(-1, -1).number, 0);
}

}  // namespace
}  // namespace bronze::kafka

#endif
