#include "ingest/topic_watch.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "fakes/fake_clock.h"

namespace bronze::ingest {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Takes down the DescribeTopics requests; the test answers them.
class AskedSource final : public kafka::MessageSource {
 public:
  [[nodiscard]] kafka::RequestId describe_topics(const std::vector<std::string>& topics,
                                                 std::chrono::milliseconds /*timeout*/) override {
    requests.push_back(topics);
    return last_request();
  }
  [[nodiscard]] kafka::RequestId last_request() const { return 100 + requests.size(); }

  std::vector<std::vector<std::string>> requests;

  void subscribe(const std::vector<std::string>& /*topics*/) override { unexpected(); }
  [[nodiscard]] kafka::Event poll(milliseconds /*max_wait*/) override {
    unexpected();
    return kafka::Idle{};
  }
  void wake() override { unexpected(); }
  void start(const std::vector<kafka::StartPosition>& /*positions*/) override { unexpected(); }
  void stop(const std::vector<kafka::TopicPartition>& /*partitions*/) override { unexpected(); }
  [[nodiscard]] std::optional<Offset> end_of(const std::string& /*topic*/,
                                             Partition /*partition*/) const override {
    unexpected();
    return std::nullopt;
  }
  void release(const std::vector<kafka::TopicPartition>& /*partitions*/) override { unexpected(); }
  void pause(const std::vector<kafka::TopicPartition>& /*partitions*/) override { unexpected(); }
  void resume(const std::vector<kafka::TopicPartition>& /*partitions*/) override { unexpected(); }
  [[nodiscard]] kafka::RequestId list_offsets(const std::string& /*topic*/,
                                              const std::vector<Partition>& /*partitions*/,
                                              kafka::OffsetSpec /*spec*/,
                                              std::int64_t /*unix_ms*/) override {
    unexpected();
    return 0;
  }
  [[nodiscard]] kafka::RequestId list_ends(
      const std::vector<kafka::TopicPartition>& /*partitions*/) override {
    unexpected();
    return 0;
  }
  [[nodiscard]] kafka::RequestId list_group_offsets(
      const std::string& /*topic*/, const std::vector<Partition>& /*partitions*/) override {
    unexpected();
    return 0;
  }
  void commit(const std::vector<kafka::CommitPosition>& /*positions*/) override { unexpected(); }
  void close() override { unexpected(); }

 private:
  static void unexpected() { ADD_FAILURE() << "the watch only describes topics"; }
};

class TopicWatchTest : public testing::Test {
 protected:
  /// Answers the last request: every topic is there, with the number as its identity.
  void answer(std::int64_t identity = 1) {
    kafka::TopicsDescribed described{.request = source_.last_request(), .error = "", .topics = {}};
    for (const auto& name : source_.requests.back()) {
      kafka::TopicDescription topic;
      topic.topic = name;
      topic.identity = {"uuid", identity};
      described.topics.push_back(topic);
    }
    watch_.on_described(described);
  }
  void answer_with_error(const std::string& error) {
    watch_.on_described({.request = source_.last_request(), .error = error, .topics = {}});
  }
  void describe_trips(const TopicIdentity& identity, const std::string& error) {
    kafka::TopicDescription trips;
    trips.topic = "trips";
    trips.identity = identity;
    trips.error = error;
    trips.unknown = !error.empty();
    watch_.on_described({.request = source_.last_request(), .error = "", .topics = {trips}});
  }
  /// Sends the first request and has it answered.
  void first_answer() {
    watch_.tick();
    answer();
  }
  [[nodiscard]] std::size_t requests() const { return source_.requests.size(); }

  fakes::FakeClock clock_;
  AskedSource source_;
  TopicWatch watch_{source_, clock_, {.topics = {"trips", "users"}, .refresh = seconds(10)}};
};

TEST_F(TopicWatchTest, AsksForAllTopicsInOneRequestAtOnce) {
  EXPECT_LE(watch_.next_deadline(), clock_.now());
  watch_.tick();
  ASSERT_EQ(requests(), 1U);
  EXPECT_EQ(source_.requests[0], (std::vector<std::string>{"trips", "users"}));
  EXPECT_EQ(watch_.sent(), 1U);
}

TEST_F(TopicWatchTest, HasOneRequestInFlightAtATime) {
  watch_.tick();
  clock_.advance(seconds(60));
  EXPECT_EQ(watch_.after(1, "trips"), nullptr);
  watch_.tick();
  EXPECT_EQ(requests(), 1U);
  EXPECT_EQ(watch_.next_deadline(), SteadyTime::max());
}

TEST_F(TopicWatchTest, OneAnswerServesAllWhoWaited) {
  EXPECT_EQ(watch_.after(0, "trips"), nullptr);
  EXPECT_EQ(watch_.after(0, "users"), nullptr);
  first_answer();
  ASSERT_NE(watch_.after(0, "trips"), nullptr);
  ASSERT_NE(watch_.after(0, "users"), nullptr);
  EXPECT_EQ(watch_.after(0, "users")->topic, "users");
  watch_.tick();
  EXPECT_EQ(requests(), 1U);
}

TEST_F(TopicWatchTest, AnAnswerThatWasAskedForBeforeTheEventProvesNothing) {
  first_answer();
  EXPECT_EQ(watch_.after(watch_.sent(), "trips"), nullptr);
  watch_.tick();
  EXPECT_EQ(requests(), 2U);
  answer(2);
  ASSERT_NE(watch_.after(1, "trips"), nullptr);
  EXPECT_EQ(watch_.after(1, "trips")->identity.number, 2);
}

TEST_F(TopicWatchTest, ARequestThatWasInFlightAtTheEventProvesNothing) {
  first_answer();
  EXPECT_EQ(watch_.after(1, "trips"), nullptr);
  watch_.tick();
  // A record arrives while the second request is on its way.
  const std::uint64_t at_event = watch_.sent();
  EXPECT_EQ(at_event, 2U);
  EXPECT_EQ(watch_.after(at_event, "trips"), nullptr);
  answer(2);
  EXPECT_EQ(watch_.after(at_event, "trips"), nullptr);
  watch_.tick();
  EXPECT_EQ(requests(), 3U) << "asked again at once";
  answer(3);
  ASSERT_NE(watch_.after(at_event, "trips"), nullptr);
  EXPECT_EQ(watch_.after(at_event, "trips")->identity.number, 3);
}

TEST_F(TopicWatchTest, AWishDuringARequestIsNotForgottenWithItsAnswer) {
  watch_.tick();
  EXPECT_EQ(watch_.after(1, "trips"), nullptr);
  answer();
  // Nobody repeats the wish.
  EXPECT_LE(watch_.next_deadline(), clock_.now());
  watch_.tick();
  EXPECT_EQ(requests(), 2U);
}

TEST_F(TopicWatchTest, AWishThatIsFulfilledIsNotRepeated) {
  first_answer();
  EXPECT_EQ(watch_.after(1, "trips"), nullptr);
  watch_.tick();
  answer();
  watch_.tick();
  EXPECT_EQ(requests(), 2U);
}

TEST_F(TopicWatchTest, AnotherRequestsAnswerIsIgnored) {
  watch_.tick();
  kafka::TopicDescription topic;
  topic.topic = "trips";
  watch_.on_described({.request = 1, .error = "", .topics = {topic}});
  EXPECT_EQ(watch_.after(0, "trips"), nullptr);
  EXPECT_EQ(watch_.last_answer(), std::nullopt);
  answer();
  EXPECT_NE(watch_.after(0, "trips"), nullptr);
}

TEST_F(TopicWatchTest, AfterAnErrorAsksAgainOnlyAfterAPause) {
  watch_.tick();
  answer_with_error("no broker");
  EXPECT_EQ(watch_.last_error(), "no broker");
  EXPECT_EQ(watch_.last_answer(), std::nullopt);
  EXPECT_EQ(watch_.after(0, "trips"), nullptr);
  EXPECT_EQ(watch_.next_deadline(), clock_.now() + milliseconds(500));
  watch_.tick();
  clock_.advance(milliseconds(499));
  watch_.tick();
  EXPECT_EQ(requests(), 1U);
  clock_.advance(milliseconds(1));
  watch_.tick();
  EXPECT_EQ(requests(), 2U);
  answer();
  EXPECT_EQ(watch_.last_error(), "");
  EXPECT_EQ(watch_.last_answer(), clock_.now());
}

TEST_F(TopicWatchTest, AnErrorLeavesTheLastAnswer) {
  first_answer();
  const SteadyTime answered = clock_.now();
  clock_.advance(seconds(10));
  watch_.tick();
  answer_with_error("no broker");
  EXPECT_EQ(watch_.last_answer(), answered);
  EXPECT_NE(watch_.after(0, "trips"), nullptr);
  EXPECT_EQ(watch_.after(1, "trips"), nullptr);
}

TEST_F(TopicWatchTest, AFailedRequestIsRepeatedThoughNobodyWaits) {
  first_answer();
  clock_.advance(seconds(10));
  watch_.tick();
  answer_with_error("no broker");
  clock_.advance(milliseconds(500));
  watch_.tick();
  EXPECT_EQ(requests(), 3U);
}

TEST_F(TopicWatchTest, AsksNowAndThenThoughNobodyWaits) {
  first_answer();
  for (std::size_t round = 2; round < 6; ++round) {
    EXPECT_EQ(watch_.next_deadline(), clock_.now() + seconds(10));
    clock_.advance(seconds(10) - milliseconds(1));
    watch_.tick();
    EXPECT_EQ(requests(), round - 1);
    clock_.advance(milliseconds(1));
    watch_.tick();
    EXPECT_EQ(requests(), round);
    answer();
    EXPECT_EQ(watch_.last_answer(), clock_.now());
  }
}

TEST_F(TopicWatchTest, SaysWhatKafkaSaysOfATopic) {
  watch_.tick();
  kafka::TopicDescription gone;
  gone.topic = "trips";
  gone.error = "unknown topic";
  gone.unknown = true;
  watch_.on_described({.request = source_.last_request(), .error = "", .topics = {gone}});
  ASSERT_NE(watch_.after(0, "trips"), nullptr);
  EXPECT_TRUE(watch_.after(0, "trips")->unknown);
  EXPECT_EQ(watch_.after(0, "users"), nullptr) << "of which nothing was said";
}

TEST_F(TopicWatchTest, AnErrorOfOneTopicIsNotAskedAboutWithoutAPause) {
  watch_.tick();
  kafka::TopicDescription denied;
  denied.topic = "trips";
  denied.error = "not authorised";
  watch_.on_described({.request = source_.last_request(), .error = "", .topics = {denied}});
  EXPECT_EQ(watch_.after(1, "trips"), nullptr);
  clock_.advance(milliseconds(499));
  watch_.tick();
  EXPECT_EQ(requests(), 1U);
  clock_.advance(milliseconds(1));
  watch_.tick();
  EXPECT_EQ(requests(), 2U);
}

TEST_F(TopicWatchTest, AsksAboutTopicsThatComeAndNotAboutThoseThatGo) {
  first_answer();
  watch_.watch("late");
  EXPECT_EQ(watch_.after(watch_.sent(), "late"), nullptr);
  watch_.tick();
  EXPECT_EQ(source_.requests.back(), (std::vector<std::string>{"late", "trips", "users"}));
  answer();
  EXPECT_NE(watch_.after(1, "late"), nullptr);
  clock_.advance(seconds(10));
  watch_.tick();
  watch_.forget("late");
  answer();
  EXPECT_FALSE(watch_.was_seen(0, "late", {"uuid", 1})) << "the answer was under way";
  clock_.advance(seconds(10));
  watch_.tick();
  EXPECT_EQ(source_.requests.back(), (std::vector<std::string>{"trips", "users"}));
}

TEST_F(TopicWatchTest, AsksForASignOfLifeWhileThereIsNoTopic) {
  TopicWatch none(source_, clock_, {.topics = {}, .refresh = seconds(10)});
  none.tick();
  ASSERT_EQ(source_.requests.back().size(), 1U);
  kafka::TopicDescription topic;
  topic.topic = source_.requests.back()[0];
  topic.partitions = {Partition{0}};
  none.on_described({.request = source_.last_request(), .error = "", .topics = {topic}});
  EXPECT_EQ(none.last_answer(), clock_.now());
  EXPECT_FALSE(none.any_partitions());
}

TEST_F(TopicWatchTest, RemembersThatATopicWasSeenWhateverBecameOfIt) {
  watch_.tick();
  describe_trips({"old", 1}, "");
  clock_.advance(seconds(10));
  watch_.tick();
  describe_trips({}, "unknown topic");
  EXPECT_TRUE(watch_.was_seen(0, "trips", {"old", 1}));
  EXPECT_FALSE(watch_.was_seen(1, "trips", {"old", 1})) << "not after the first request";
  clock_.advance(seconds(10));
  watch_.tick();
  describe_trips({"new", 2}, "");
  EXPECT_TRUE(watch_.was_seen(0, "trips", {"old", 1}));
  EXPECT_TRUE(watch_.was_seen(2, "trips", {"new", 2}));
  EXPECT_FALSE(watch_.was_seen(2, "trips", {"old", 1}));
}

TEST_F(TopicWatchTest, ATopicIsDeletedWhenItWasThereAndIsMissingForLong) {
  watch_.tick();
  describe_trips({}, "unknown topic");
  clock_.advance(seconds(20));
  EXPECT_FALSE(watch_.is_deleted("trips")) << "it has not been there yet";
  watch_.tick();
  describe_trips({"uuid", 1}, "");
  clock_.advance(seconds(10));
  watch_.tick();
  describe_trips({}, "unknown topic");
  clock_.advance(seconds(10) - milliseconds(1));
  EXPECT_FALSE(watch_.is_deleted("trips")) << "a broker may not know it yet";
  clock_.advance(milliseconds(1));
  EXPECT_TRUE(watch_.is_deleted("trips"));
  watch_.tick();
  describe_trips({"other", 2}, "");
  EXPECT_FALSE(watch_.is_deleted("trips")) << "there is another one";
}

TEST_F(TopicWatchTest, KnowsWhetherAnyTopicHasPartitions) {
  EXPECT_FALSE(watch_.any_partitions());
  watch_.tick();
  kafka::TopicDescription trips;
  trips.topic = "trips";
  kafka::TopicDescription users;
  users.topic = "users";
  users.partitions = {Partition{0}};
  watch_.on_described({.request = source_.last_request(), .error = "", .topics = {trips}});
  EXPECT_FALSE(watch_.any_partitions());
  EXPECT_EQ(watch_.after(1, "trips"), nullptr);
  watch_.tick();
  watch_.on_described({.request = source_.last_request(), .error = "", .topics = {trips, users}});
  EXPECT_TRUE(watch_.any_partitions());
}

}  // namespace
}  // namespace bronze::ingest
