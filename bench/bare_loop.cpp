// The limit: reads topics from beginning to end with librdkafka and nothing else, by batches, with
// the settings that a fast consumer has: those of the service that make fetching prompt.
//
//   bare_loop BOOTSTRAP_SERVERS PARTITIONS TOPIC...
//
// Prints the messages and their bytes of payload.

#include <librdkafka/rdkafka.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "kafka/fetch_settings.h"

namespace {

constexpr std::size_t k_batch = 10'000;
constexpr int k_wait_ms = 1'000;

rd_kafka_t* new_consumer(const char* servers) {
  constexpr std::array<std::array<const char*, 2>, 6> k_settings{
      {{"group.id", "bare-loop"},
       {"enable.auto.commit", "false"},
       {"enable.partition.eof", "true"},
       {"check.crcs", "true"},
       {"queued.max.messages.kbytes", "65536"},
       {"isolation.level", "read_committed"}}};
  std::array<char, 512> error{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", servers, error.data(), error.size());
  for (const auto& [name, value] : k_settings) {
    rd_kafka_conf_set(conf, name, value, error.data(), error.size());
  }
  for (const auto& [name, value] : bronze::kafka::k_fetch_settings) {
    rd_kafka_conf_set(conf, name, value, error.data(), error.size());
  }
  rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error.data(), error.size());
  if (consumer == nullptr) std::fprintf(stderr, "%s\n", error.data());
  return consumer;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "bare_loop BOOTSTRAP_SERVERS PARTITIONS TOPIC...\n");
    return 2;
  }
  rd_kafka_t* consumer = new_consumer(argv[1]);
  if (consumer == nullptr) return 1;
  rd_kafka_poll_set_consumer(consumer);
  const int partitions = std::atoi(argv[2]);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(partitions * argc);
  for (int topic = 3; topic < argc; ++topic) {
    for (int partition = 0; partition < partitions; ++partition) {
      rd_kafka_topic_partition_list_add(list, argv[topic], partition)->offset = 0;
    }
  }
  int left = list->cnt;
  rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  rd_kafka_queue_t* queue = rd_kafka_queue_get_consumer(consumer);
  std::vector<rd_kafka_message_t*> messages(k_batch);
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  while (left > 0) {
    const ssize_t got =
        rd_kafka_consume_batch_queue(queue, k_wait_ms, messages.data(), messages.size());
    for (ssize_t i = 0; i < got; ++i) {
      rd_kafka_message_t* message = messages[static_cast<std::size_t>(i)];
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        ++count;
        bytes += message->len;
      } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        --left;
      } else {
        std::fprintf(stderr, "%s\n", rd_kafka_message_errstr(message));
        return 1;
      }
      rd_kafka_message_destroy(message);
    }
  }
  std::printf("%llu %llu\n", static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(bytes));
  std::fflush(stdout);
  // As fast as the service ends: without joining the client's threads.
  std::_Exit(0);
}
