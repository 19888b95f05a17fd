#include "demo/feeder.h"

#include <gtest/gtest.h>

#include <thread>

#include "kafka/mock_cluster.h"

namespace bronze::demo {
namespace {

// ThreadSanitizer breaks down at the threads that librdkafka makes by thrd_create.
#ifndef __SANITIZE_THREAD__

using std::chrono::milliseconds;

constexpr int k_partitions = 2;
constexpr std::uint64_t k_unwritten_bytes_max = 40'000;

/// Over the in-process Kafka, with nobody who consumes.
class DemoFeederTest : public testing::Test {
 protected:
  DemoFeederTest()
      : topics_(k_topics.begin(), k_topics.end()),
        cluster_(topics_, k_partitions),
        producer_(cluster_.bootstrap_servers(), topics_),
        offsets_(cluster_.bootstrap_servers(), "nobody"),
        feeder_({.rate = 1'000'000,
                 .partitions = k_partitions,
                 .unwritten_bytes_max = k_unwritten_bytes_max,
                 .seed = 1},
                {.producer = producer_, .offsets = offsets_, .clock = clock_}) {}

  /// Waits until Kafka has so many bytes of the first topic and nothing more is produced.
  FeedReport settled(std::uint64_t bytes) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes{1};
    FeedReport report = feeder_.report();
    for (std::uint64_t before = 0; before < bytes || before != report.topics[0].bytes;) {
      if (std::chrono::steady_clock::now() > deadline) break;
      before = report.topics[0].bytes;
      std::this_thread::sleep_for(milliseconds(200));
      report = feeder_.report();
    }
    return report;
  }

  const SystemClock clock_;
  const std::vector<std::string> topics_;
  kafka::MockCluster cluster_;
  kafka::Producer producer_;
  kafka::GroupOffsets offsets_;
  Feeder feeder_;
};

TEST_F(DemoFeederTest, WhenNobodyConsumesProductionStops) {
  // The pings come first to their limit, in one partition or in both.
  constexpr std::uint64_t k_nearly = k_unwritten_bytes_max * 9 / 10;
  const FeedReport report = settled(k_nearly);
  EXPECT_EQ(report.failure, "");
  EXPECT_FALSE(report.all_written);
  EXPECT_GT(report.topics[0].bytes, k_nearly);
  for (const auto& topic : report.topics) {
    EXPECT_LE(topic.bytes, k_partitions * k_unwritten_bytes_max);
    EXPECT_EQ(topic.written, 0U);
  }
}

TEST_F(DemoFeederTest, AfterStopNothingMoreIsProduced) {
  feeder_.stop_producing();
  const auto produced = feeder_.report().topics[0].produced;
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(feeder_.report().topics[0].produced, produced);
}

#endif

TEST(DemoPartitionTest, AKeyHasOnePartitionAndKeysAreSpread) {
  std::array<int, 4> hits{};
  for (int i = 0; i < 400; ++i) {
    const std::string key = "driver-" + std::to_string(i);
    const Partition partition = partition_of(key, hits.size());
    ASSERT_EQ(partition, partition_of(key, hits.size()));
    ++hits.at(static_cast<std::size_t>(number(partition)));
  }
  for (const int count : hits) EXPECT_GT(count, 50);
}

}  // namespace
}  // namespace bronze::demo
