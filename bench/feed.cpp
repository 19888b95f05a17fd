// Fills topics with rideshare-like events of about 540 bytes, as JSON, lz4 on the wire.
//
//   feed BOOTSTRAP_SERVERS EVENTS PARTITIONS TOPIC...
//
// The same events in every run: events go round the topics, and round the partitions of each.
// Prints the bytes of payload.

#include <librdkafka/rdkafka.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "events.h"

namespace {

constexpr int k_flush_timeout_ms = 60'000;

rd_kafka_t* new_producer(const char* servers) {
  constexpr std::array<std::array<const char*, 2>, 5> k_settings{
      {{"compression.type", "lz4"},
       {"linger.ms", "50"},
       {"batch.size", "262144"},
       {"queue.buffering.max.kbytes", "131072"},
       {"enable.idempotence", "true"}}};
  std::array<char, 512> error{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", servers, error.data(), error.size());
  for (const auto& [name, value] : k_settings) {
    rd_kafka_conf_set(conf, name, value, error.data(), error.size());
  }
  rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error.data(), error.size());
  if (producer == nullptr) std::fprintf(stderr, "%s\n", error.data());
  return producer;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "feed BOOTSTRAP_SERVERS EVENTS PARTITIONS TOPIC...\n");
    return 2;
  }
  rd_kafka_t* producer = new_producer(argv[1]);
  if (producer == nullptr) return 1;
  const auto count = std::strtoull(argv[2], nullptr, 10);
  const auto partitions = std::strtoull(argv[3], nullptr, 10);
  std::vector<rd_kafka_topic_t*> topics;
  for (int i = 4; i < argc; ++i) topics.push_back(rd_kafka_topic_new(producer, argv[i], nullptr));
  bronze::bench::Events events;
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view event = events.next();
    bytes += event.size();
    rd_kafka_topic_t* topic = topics[i % topics.size()];
    const auto partition = static_cast<std::int32_t>(i / topics.size() % partitions);
    while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY,
                            const_cast<char*>(event.data()),  // NOLINT: copied
                            event.size(), nullptr, 0, nullptr) != 0) {
      if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) return 1;
      rd_kafka_poll(producer, 10);
    }
    if (i % 1000 == 0) rd_kafka_poll(producer, 0);
  }
  const bool sent = rd_kafka_flush(producer, k_flush_timeout_ms) == RD_KAFKA_RESP_ERR_NO_ERROR;
  for (rd_kafka_topic_t* topic : topics) rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
  std::printf("%llu\n", static_cast<unsigned long long>(bytes));
  return sent ? 0 : 1;
}
