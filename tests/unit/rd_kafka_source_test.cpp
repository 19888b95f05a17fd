#include "kafka/rd_kafka_source.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka_mock.h>

#include <chrono>
#include <optional>
#include <thread>
#include <variant>

#include "fakes/metadata_server.h"
#include "kafka/handles.h"

// ThreadSanitizer breaks down at the threads that librdkafka makes by thrd_create.
#ifndef __SANITIZE_THREAD__

namespace bronze::kafka {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* k_group = "group";

/// Three brokers of librdkafka's mock cluster on loopback, one of which coordinates the group.
class RdKafkaSourceTest : public testing::Test {
 protected:
  /// `refresh_ms`: how often topics are looked up.
  explicit RdKafkaSourceTest(const char* refresh_ms = "100")
      : host_(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0)),
        cluster_(rd_kafka_mock_cluster_new(host_.get(), 3)) {
    rd_kafka_mock_topic_create(cluster_.get(), "trips", 1, 1);
    rd_kafka_mock_coordinator_set(cluster_.get(), "group", k_group, 2);
    SourceSettings settings;
    settings.group = k_group;
    settings.queue_bytes = std::uint64_t{16} << 20;
    settings.properties = {
        {"bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster_.get())},
        {"topic.metadata.refresh.interval.ms", refresh_ms},
    };
    source_.emplace(settings, log_);
    source_->subscribe({"trips"});
  }

  [[nodiscard]] std::optional<Event> poll_until(auto&& wanted, milliseconds patience) {
    for (const auto deadline = steady_clock::now() + patience; steady_clock::now() < deadline;) {
      Event event = source_->poll(milliseconds{50});
      if (wanted(event)) return event;
    }
    return std::nullopt;
  }

  /// The error of the answer; nothing when there is none.
  [[nodiscard]] std::optional<std::string> ask_group_offsets() {
    const RequestId asked = source_->list_group_offsets("trips", {Partition{0}});
    const auto answer = poll_until(
        [&](const Event& event) {
          const auto* listed = std::get_if<GroupOffsetsListed>(&event);
          return listed != nullptr && listed->request == asked;
        },
        milliseconds{15'000});
    if (!answer) return std::nullopt;
    return std::get<GroupOffsetsListed>(*answer).error;
  }

  ClientHandle host_;
  Handle<rd_kafka_mock_cluster_t, rd_kafka_mock_cluster_destroy> cluster_;
  SystemClock clock_;
  EventLog log_{clock_};
  std::optional<RdKafkaSource> source_;
};

TEST(RdKafkaSourceSettingsTest, LibrdkafkaTakesTheShareOfAnyMemoryLimit) {
  constexpr std::uint64_t k_gib = std::uint64_t{1} << 30;
  const SystemClock clock;
  EventLog log(clock);
  // A 20th of 40 GiB is one more KiB than its queue may have; a 6th of 13 GiB more than a fetch.
  for (const std::uint64_t queue_bytes : {std::uint64_t{1}, 2 * k_gib, 13 * k_gib, 1024 * k_gib}) {
    const SourceSettings settings{.properties = {{"bootstrap.servers", "127.0.0.1:1"}},
                                  .group = k_group,
                                  .queue_bytes = queue_bytes};
    EXPECT_NO_THROW(const RdKafkaSource source(settings, log)) << queue_bytes;
  }
}

TEST_F(RdKafkaSourceTest, TheGroupsOffsetsAreToldAfterItsCoordinatorLeftTheCluster) {
  ASSERT_EQ(ask_group_offsets(), "");

  rd_kafka_mock_coordinator_set(cluster_.get(), "group", k_group, 1);
  ASSERT_EQ(rd_kafka_mock_broker_decommission(cluster_.get(), 2), RD_KAFKA_RESP_ERR_NO_ERROR);
  (void)poll_until([](const Event&) { return false; }, milliseconds{500});

  EXPECT_EQ(ask_group_offsets(), "");
}

TEST_F(RdKafkaSourceTest, TheEndsOfSeveralTopicsAreOneQuestion) {
  rd_kafka_mock_topic_create(cluster_.get(), "rides", 2, 1);
  const std::vector<TopicPartition> known = {
      {"rides", Partition{0}}, {"rides", Partition{1}}, {"trips", Partition{0}}};
  std::vector<TopicPartition> wanted = known;
  wanted.push_back({"trips", Partition{7}});

  const RequestId asked = source_->list_ends(wanted);
  const auto answer =
      poll_until([](const Event& event) { return std::holds_alternative<EndsListed>(event); },
                 milliseconds{15'000});

  ASSERT_TRUE(answer);
  const auto& listed = std::get<EndsListed>(*answer);
  EXPECT_EQ(listed.request, asked);
  EXPECT_EQ(listed.ends.size(), known.size()) << "what is not there has no end";
  for (const auto& partition : known) EXPECT_EQ(listed.ends.at(partition), Offset{0});
}

class RecordsInHand : public RdKafkaSourceTest {
 protected:
  static constexpr std::int64_t k_records = 40;

  using RdKafkaSourceTest::RdKafkaSourceTest;

  /// Produces records, starts at `first` and takes the first of them. Others are in hand then:
  /// polling gives them at once.
  void take_one(std::int64_t first) {
    for (std::int64_t i = 0; i < k_records; ++i) produce();
    ASSERT_EQ(rd_kafka_flush(producer_.get(), 10'000), RD_KAFKA_RESP_ERR_NO_ERROR);
    // A topic that is not seen at once is seen when topics are looked up again, after 10 s.
    ASSERT_TRUE(
        poll_until([](const Event& event) { return std::holds_alternative<Assigned>(event); },
                   milliseconds{60'000}));
    source_->start({{k_partition, Offset{first}}});
    ASSERT_EQ(next_offset(milliseconds{15'000}), first);
    std::this_thread::sleep_for(milliseconds{300});
    ASSERT_EQ(next_offset(milliseconds{15'000}), first + 1);
  }

  void produce() {
    if (!producer_) {
      rd_kafka_conf_t* conf = rd_kafka_conf_new();
      rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster_.get()),
                        nullptr, 0);
      producer_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf, nullptr, 0));
    }
    std::string value = "value";
    rd_kafka_producev(producer_.get(), RD_KAFKA_V_TOPIC("trips"), RD_KAFKA_V_PARTITION(0),
                      RD_KAFKA_V_VALUE(value.data(), value.size()),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
  }

  /// Of the next record; nothing when none comes.
  [[nodiscard]] std::optional<std::int64_t> next_offset(milliseconds patience) {
    const auto event = poll_until(
        [](const Event& each) { return std::holds_alternative<Record>(each); }, patience);
    if (!event) return std::nullopt;
    return std::get<Record>(*event).offset.value;
  }

  const TopicPartition k_partition{"trips", Partition{0}};
  ClientHandle producer_;
};

TEST_F(RecordsInHand, AreForgottenWhenTheirPartitionBeginsElsewhere) {
  ASSERT_NO_FATAL_FAILURE(take_one(20));
  source_->stop({k_partition});
  source_->start({{k_partition, Offset{3}}});
  for (std::int64_t offset = 3; offset < k_records; ++offset) {
    ASSERT_EQ(next_offset(milliseconds{15'000}), offset);
  }
}

TEST_F(RecordsInHand, ComeAgainAfterAPauseEachOnce) {
  ASSERT_NO_FATAL_FAILURE(take_one(5));
  source_->pause({k_partition});
  EXPECT_EQ(next_offset(milliseconds{500}), std::nullopt);
  source_->resume({k_partition});
  for (std::int64_t offset = 7; offset < k_records; ++offset) {
    ASSERT_EQ(next_offset(milliseconds{15'000}), offset);
  }
}

/// Nothing else goes on at the connections.
class RecordsOfAQuietSource : public RecordsInHand {
 protected:
  RecordsOfAQuietSource() : RecordsInHand("60000") {}
};

// Without a wake-up, the thread that fetches sleeps for up to a second each time.
TEST_F(RecordsOfAQuietSource, ComeSoonAfterAPause) {
  ASSERT_NO_FATAL_FAILURE(take_one(5));
  steady_clock::duration waited{};
  for (int pause = 0; pause < 6; ++pause) {
    source_->pause({k_partition});
    ASSERT_EQ(next_offset(milliseconds{300}), std::nullopt);
    const auto begin = steady_clock::now();
    source_->resume({k_partition});
    ASSERT_EQ(next_offset(milliseconds{15'000}), 7 + pause);
    waited += steady_clock::now() - begin;
  }
  EXPECT_LT(waited, milliseconds{2'000});
}

TEST_F(RecordsInHand, HoldUpNoAnswer) {
  ASSERT_NO_FATAL_FAILURE(take_one(5));
  const RequestId asked = source_->describe_topics({"trips"}, milliseconds{10'000});
  Event answer = Idle{};
  for (const auto deadline = steady_clock::now() + milliseconds{15'000};
       std::holds_alternative<Idle>(answer) && steady_clock::now() < deadline;) {
    answer = source_->poll_answer();
  }
  ASSERT_TRUE(std::holds_alternative<TopicsDescribed>(answer));
  EXPECT_EQ(std::get<TopicsDescribed>(answer).request, asked);
  EXPECT_EQ(next_offset(milliseconds{15'000}), 7);
}

// A longer name: librdkafka 2.14 takes a short answer of version 0 for damaged.
const std::string k_topic(200, 't');

TEST(RdKafkaSourceMetadataTest, ABrokerThatNamesNoBrokerIsAskedAgain) {
  MetadataServer server(k_topic);
  SourceSettings settings;
  settings.group = k_group;
  settings.queue_bytes = std::uint64_t{16} << 20;
  settings.properties = {
      {"bootstrap.servers", server.address()},
      {"api.version.request", "false"},
      {"broker.version.fallback", "0.9.0"},
      {"topic.metadata.refresh.interval.ms", "50"},
  };
  const SystemClock clock;
  EventLog log(clock);
  RdKafkaSource source(settings, log);
  source.subscribe({k_topic});
  const auto asked_times = [&](int count) {
    const int before = server.answers();
    const auto deadline = steady_clock::now() + milliseconds{10'000};
    while (server.answers() < before + count && steady_clock::now() < deadline) {
      (void)source.poll(milliseconds{20});
    }
    return server.answers() >= before + count;
  };
  for (const int brokers : {1, 0, 1, 0, 1, 0, 1, 0, 1}) {
    server.name_brokers(brokers);
    ASSERT_TRUE(asked_times(6)) << "after it named " << brokers << " brokers";
  }
}

}  // namespace
}  // namespace bronze::kafka

#endif
