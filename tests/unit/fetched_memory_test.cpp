// What librdkafka's consumer holds of records that it has fetched; see
// scripts/librdkafka-bound-fetched-records.patch.

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kafka/handles.h"

// ThreadSanitizer breaks down at the threads that librdkafka makes by thrd_create.
#ifndef __SANITIZE_THREAD__

namespace bronze::kafka {
namespace {

using std::chrono::steady_clock;

constexpr const char* k_topic = "tiny";
constexpr std::size_t k_queue_kb = 1024;
/// Of librdkafka's own for each record: less than this is not possible.
constexpr std::size_t k_record_size = 256;
/// It reads on up to four times the queue.
constexpr std::size_t k_records_max = 4 * k_queue_kb * 1024 / k_record_size;
constexpr std::chrono::seconds k_patience{60};
constexpr std::chrono::milliseconds k_settled{200};

using Settings = std::vector<std::pair<std::string, std::string>>;

ClientHandle make_client(rd_kafka_type_t type, const Settings& settings) {
  ConfHandle conf(rd_kafka_conf_new());
  std::array<char, 512> error{};
  for (const auto& [name, value] : settings) {
    EXPECT_EQ(
        rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), error.data(), error.size()),
        RD_KAFKA_CONF_OK)
        << error.data();
  }
  ClientHandle client(rd_kafka_new(type, conf.get(), error.data(), error.size()));
  EXPECT_NE(client, nullptr) << error.data();
  static_cast<void>(conf.release());  // rd_kafka_new has taken it
  return client;
}

/// A mock cluster of one broker whose records compress to almost nothing.
class FetchedMemoryTest : public testing::Test {
 protected:
  FetchedMemoryTest()
      : host_(make_client(RD_KAFKA_PRODUCER, {})),
        cluster_(rd_kafka_mock_cluster_new(host_.get(), 1)) {}

  /// With records of 7 bytes, and a key.
  void fill(int partitions, int batches, int batch, const std::string& key = "") {
    rd_kafka_mock_topic_create(cluster_.get(), k_topic, partitions, 1);
    const auto producer =
        make_client(RD_KAFKA_PRODUCER, {{"bootstrap.servers", bootstrap()},
                                        {"compression.type", "zstd"},
                                        {"batch.num.messages", std::to_string(batch)},
                                        {"batch.size", "100000000"},
                                        {"message.max.bytes", "100000000"},
                                        {"linger.ms", "10000"},
                                        {"queue.buffering.max.messages", "10000000"}});
    const Handle<rd_kafka_topic_t, rd_kafka_topic_destroy> topic(
        rd_kafka_topic_new(producer.get(), k_topic, nullptr));
    std::string value = R"({"a":1})";
    for (int partition = 0; partition < partitions; ++partition) {
      for (int i = 0; i < batches * batch; ++i) {
        ASSERT_EQ(rd_kafka_produce(topic.get(), partition, RD_KAFKA_MSG_F_COPY, value.data(),
                                   value.size(), key.data(), key.size(), nullptr),
                  0);
      }
    }
    ASSERT_EQ(rd_kafka_flush(producer.get(), 60'000), RD_KAFKA_RESP_ERR_NO_ERROR);
    read_.assign(static_cast<std::size_t>(partitions), 0);
    records_ = static_cast<std::size_t>(partitions) * static_cast<std::size_t>(batches * batch);
  }

  void start() {
    consumer_ = make_client(RD_KAFKA_CONSUMER,
                            {{"bootstrap.servers", bootstrap()},
                             {"group.id", "group"},
                             {"check.crcs", "true"},
                             {"fetch.queue.backoff.ms", "1"},
                             {"queued.max.messages.kbytes", std::to_string(k_queue_kb)}});
    rd_kafka_poll_set_consumer(consumer_.get());
    queue_.reset(rd_kafka_queue_get_consumer(consumer_.get()));
    const PartitionListHandle list(rd_kafka_topic_partition_list_new(1));
    for (std::size_t partition = 0; partition < read_.size(); ++partition) {
      rd_kafka_topic_partition_list_add(list.get(), k_topic, static_cast<int>(partition))->offset =
          0;
    }
    ASSERT_EQ(rd_kafka_assign(consumer_.get(), list.get()), RD_KAFKA_RESP_ERR_NO_ERROR);
    settle();
  }

  /// Reading begins when all has come that comes unasked.
  void settle() {
    std::size_t held = 0;
    auto since = steady_clock::now();
    const auto deadline = since + k_patience;
    while (held == 0 || steady_clock::now() < since + k_settled) {
      ASSERT_LT(steady_clock::now(), deadline) << held << " records held";
      if (rd_kafka_queue_length(queue_.get()) != held) {
        held = rd_kafka_queue_length(queue_.get());
        since = steady_clock::now();
      }
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
  }

  /// Reads `count` records. They are in order, without a gap, and few are held meanwhile.
  void read(std::size_t count, std::size_t held_max) {
    const auto deadline = steady_clock::now() + k_patience;
    for (std::size_t got = 0; got < count;) {
      ASSERT_LT(steady_clock::now(), deadline) << got << " of " << count << " records came";
      ASSERT_LE(rd_kafka_queue_length(queue_.get()), held_max);
      const Handle<rd_kafka_message_t, rd_kafka_message_destroy> message(
          rd_kafka_consumer_poll(consumer_.get(), 100));
      if (!message) continue;
      ASSERT_EQ(message->err, RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_message_errstr(message.get());
      ASSERT_EQ(message->offset, read_[static_cast<std::size_t>(message->partition)]++);
      ++got;
    }
  }

  [[nodiscard]] std::string bootstrap() const {
    return rd_kafka_mock_cluster_bootstraps(cluster_.get());
  }

  ClientHandle host_;
  Handle<rd_kafka_mock_cluster_t, rd_kafka_mock_cluster_destroy> cluster_;
  ConsumerHandle consumer_;
  QueueHandle queue_;
  std::size_t records_ = 0;
  /// The next offset of each partition.
  std::vector<std::int64_t> read_;
};

TEST_F(FetchedMemoryTest, WhatAResponseBecomesIsBoundedOverManyPartitions) {
  constexpr int k_batch = 8'000;
  fill(40, 2, k_batch);
  start();
  read(records_, k_records_max + k_batch);
}

TEST_F(FetchedMemoryTest, KeysCountToo) {
  constexpr std::size_t k_key_size = 4'000;
  constexpr int k_batch = 200;
  fill(10, 2, k_batch, std::string(k_key_size, 'k'));
  start();
  read(records_, 4 * k_queue_kb * 1024 / k_key_size + k_batch);
}

TEST_F(FetchedMemoryTest, ABatchOfVeryManyRecordsIsReadInParts) {
  fill(1, 2, 200'000);
  start();
  read(records_, 2 * k_records_max);
}

TEST_F(FetchedMemoryTest, NoPartitionWaitsForAllRecordsOfAnother) {
  fill(20, 10, 2'000);
  start();
  read(records_ / 2, records_);
  EXPECT_EQ(std::count(read_.begin(), read_.end(), 0), 0);
  read(records_ - records_ / 2, records_);
}

}  // namespace
}  // namespace bronze::kafka

#endif
