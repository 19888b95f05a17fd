#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "batch/flush_policy.h"
#include "fakes/fake_clock.h"
#include "fakes/fake_kafka.h"
#include "fakes/fake_table.h"
#include "fakes/manual_executor.h"
#include "ingest/ingest.h"

namespace bronze::ingest {
namespace {

using namespace std::chrono_literals;

/// The loop over one fake cluster with the pattern `^t` and no topic listed by name, unless a test
/// adds some.
class IngestDiscovery : public testing::Test {
 protected:
  void SetUp() override { spdlog::set_level(spdlog::level::off); }

  void build(RunMode mode, const std::vector<std::string>& listed = {}) {
    watch_ = std::make_unique<TopicWatch>(source_, clock_,
                                          TopicWatch::Settings{.topics = listed, .refresh = 10s});
    std::vector<std::unique_ptr<Lane>> lanes;
    for (const auto& topic : listed) lanes.push_back(make_lane(topic, lanes.size(), mode));
    ingest_ = std::make_unique<Ingest>(
        IngestSettings{.mode = mode,
                       .patterns = patterns_,
                       .poll_wait_max = 1s,
                       .shutdown_timeout = 25s,
                       .revoke_budget = 5s,
                       .batch_bytes_max = batch_bytes_max_,
                       .kafka_name = "kafka",
                       .store_name = "store"},
        IngestParts{.source = source_,
                    .executor = executor_,
                    .clock = clock_,
                    .log = log_,
                    .watch = *watch_,
                    .board = board_},
        std::move(lanes), [] { return delta::StoreOutcome{}; },
        [this, mode](const std::string& topic,
                     std::size_t lane) -> std::variant<std::unique_ptr<Lane>, TopicRefused> {
          if (topic == "t-refused") return TopicRefused{"it would share a table"};
          return make_lane(topic, lane, mode);
        });
  }

  std::unique_ptr<Lane> make_lane(const std::string& topic, std::size_t lane, RunMode mode) {
    return std::make_unique<Lane>(
        LaneSettings{.writer = {.topic = topic,
                                .lane = lane,
                                .group = "g",
                                .flush = {.interval = batch_interval_, .max_bytes = 0},
                                .write_retry = 1h,
                                .file_age_max = 30min},
                     .start = StartEarliest{},
                     .mode = mode,
                     .table_spec = {.schema_json = {},
                                    .partition_columns = {},
                                    .configuration = table_configuration_}},
        LaneParts{
            .source = source_,
            .executor = executor_,
            .clock = clock_,
            .log = log_,
            .watch = *watch_,
            .table = std::make_unique<fakes::FakeTable>(store_, topic, fakes::StoreHooks{}, 1)});
  }

  void create(const std::string& topic, int records) {
    cluster_.create_topic(topic, 1);
    produce(topic, records);
  }
  void produce(const std::string& topic, int records) {
    for (int i = 0; i < records; ++i) {
      cluster_.produce(topic, Partition{0}, fakes::LogRecord::Kind::kValue);
    }
  }
  void assign(const std::vector<std::string>& topics) {
    kafka::Assigned assigned;
    for (const auto& topic : topics) assigned.partitions.push_back({topic, Partition{0}});
    source_.push(assigned);
  }
  void lose(const std::string& topic) {
    source_.push(kafka::Revoked{{{topic, Partition{0}}}, true});
  }

  /// Lets time pass in steps of `step`; false = the loop has ended.
  bool pass(Duration time, Duration step = 100ms) {
    for (Duration passed{}; passed < time; passed += step) {
      for (int i = 0; i < 20; ++i) {
        if (!ingest_->turn()) return false;
        executor_.run_all();
      }
      clock_.advance(step);
    }
    return true;
  }

  [[nodiscard]] std::size_t rows(const std::string& topic) const {
    std::size_t rows = 0;
    for (const auto& commit : store_.at(topic).commits) rows += commit.rows.size();
    return rows;
  }
  [[nodiscard]] const LaneReport* report(const std::string& topic) {
    latest_ = board_.latest();
    for (const auto& lane : latest_.lanes) {
      if (lane.topic == topic) return &lane;
    }
    return nullptr;
  }

  std::vector<std::string> patterns_ = {"^t"};
  std::map<std::string, std::string> table_configuration_;
  std::chrono::milliseconds batch_interval_ = 1s;
  std::uint64_t batch_bytes_max_ = 1'000'000;
  fakes::FakeClock clock_;
  EventLog log_{clock_};
  fakes::FakeKafka cluster_;
  std::map<std::string, fakes::StoredTable> store_;
  fakes::ManualExecutor executor_;
  fakes::FakeSource source_{cluster_, {}, 1};
  ReportBoard board_;
  IngestReport latest_;
  std::unique_ptr<TopicWatch> watch_;
  std::unique_ptr<Ingest> ingest_;
};

TEST_F(IngestDiscovery, SubscribesToNamesAndPatterns) {
  create("listed", 1);
  build(RunMode::kUntilStopped, {"listed"});
  pass(1s);
  EXPECT_EQ(source_.subscription, (std::vector<std::string>{"listed", "^t"}));
}

TEST_F(IngestDiscovery, AnAssignedTopicWithoutALaneGetsOne) {
  create("listed", 3);
  create("t1", 5);
  build(RunMode::kUntilStopped, {"listed"});
  pass(1s);
  assign({"listed", "t1"});
  pass(5s);
  EXPECT_EQ(rows("listed"), 3U);
  EXPECT_EQ(rows("t1"), 5U);
  create("t2", 7);
  assign({"t2"});
  pass(5s);
  EXPECT_EQ(rows("t2"), 7U);
  EXPECT_NE(report("t2"), nullptr);
}

TEST_F(IngestDiscovery, CommitsOfManyTopicsAreBounded) {
  constexpr int k_topics = 60;
  batch_interval_ = 100ms;
  batch_bytes_max_ = 1'000'000'000;
  std::vector<std::string> topics;
  for (int number = 0; number < k_topics; ++number) topics.push_back(fmt::format("t{}", number));
  for (const auto& topic : topics) create(topic, 1);
  build(RunMode::kUntilStopped);
  pass(1s);
  assign(topics);
  const auto commits = [&] {
    std::size_t sum = 0;
    for (const auto& topic : topics) sum += store_.at(topic).commits.size();
    return sum;
  };
  pass(3s, 10ms);
  std::size_t before = commits();
  for (int second = 0; second < 6; ++second) {
    for (int part = 0; part < 5; ++part) {
      for (const auto& topic : topics) produce(topic, 1);
      pass(200ms, 10ms);
    }
    const std::size_t after = commits();
    EXPECT_LE(after - before, batch::k_batches_a_second_max * 5 / 4) << second;
    EXPECT_GE(after - before, batch::k_batches_a_second_max / 2) << second;
    before = after;
  }
}

TEST_F(IngestDiscovery, NoLaneAtAllIsNoTrouble) {
  batch_bytes_max_ = 0;
  build(RunMode::kUntilStopped);
  EXPECT_TRUE(pass(1min, 1s));
  EXPECT_TRUE(board_.latest().lanes.empty());
  EXPECT_TRUE(board_.latest().last_broker_answer);
  create("t", 5);
  assign({"t"});
  pass(5s);
  EXPECT_EQ(rows("t"), 5U);
}

TEST_F(IngestDiscovery, OnceCopiesEverythingMatchedAndEnds) {
  create("t1", 5);
  create("t2", 7);
  build(RunMode::kOnce);
  pass(1s);
  assign({"t1", "t2"});
  EXPECT_FALSE(pass(30s));
  EXPECT_EQ(ingest_->end(), IngestEnd::kDone);
  EXPECT_EQ(rows("t1") + rows("t2"), 12U);
}

TEST_F(IngestDiscovery, OnceEndsWhenNothingMatchesForLong) {
  build(RunMode::kOnce);
  EXPECT_TRUE(pass(20s)) << "Kafka has not said yet what there is";
  source_.push(kafka::TopicError{"^t", "unknown topic"});
  EXPECT_TRUE(pass(9s));
  EXPECT_FALSE(pass(2s));
  EXPECT_EQ(ingest_->end(), IngestEnd::kDone);
}

TEST_F(IngestDiscovery, OnceEndsWhenNoListedTopicIsThereForLong) {
  patterns_.clear();
  build(RunMode::kOnce, {"listed", "other"});
  EXPECT_TRUE(pass(9s));
  EXPECT_FALSE(pass(5s));
  EXPECT_EQ(ingest_->end(), IngestEnd::kDone);
  EXPECT_EQ(store_.size(), 2U) << "they have their tables";
}

TEST_F(IngestDiscovery, OnceWaitsForAListedTopicThatIsThereAndNotAssignedYet) {
  patterns_.clear();
  create("listed", 3);
  build(RunMode::kOnce, {"listed", "other"});
  EXPECT_TRUE(pass(60s));
  assign({"listed"});
  EXPECT_FALSE(pass(10s));
  EXPECT_EQ(rows("listed"), 3U);
}

TEST_F(IngestDiscovery, OnceDoesNotPassOverATopicThatMayNotBeRead) {
  create("listed", 3);
  create("denied", 3);
  cluster_.denied.insert("denied");
  build(RunMode::kOnce, {"listed", "denied"});
  assign({"listed"});
  EXPECT_FALSE(pass(30s));
  EXPECT_EQ(rows("listed"), 3U);
  EXPECT_EQ(ingest_->end(), IngestEnd::kPartitionsHalted);
}

TEST_F(IngestDiscovery, ATopicThatIsRefusedIsReportedAndHoldsNobodyUp) {
  create("t", 5);
  create("t-refused", 5);
  build(RunMode::kOnce);
  pass(1s);
  assign({"t", "t-refused"});
  EXPECT_FALSE(pass(30s));
  EXPECT_EQ(rows("t"), 5U);
  EXPECT_FALSE(store_.contains("t-refused"));
  EXPECT_EQ(board_.latest().refused.at("t-refused").reason, "it would share a table");
  EXPECT_EQ(ingest_->end(), IngestEnd::kPartitionsHalted);
}

TEST_F(IngestDiscovery, ARefusedTopicThatGoesToAnotherMemberIsNoLongerReported) {
  create("t-refused", 5);
  build(RunMode::kUntilStopped);
  pass(1s);
  assign({"t-refused"});
  pass(1s);
  ASSERT_EQ(board_.latest().refused.size(), 1U);
  source_.push(kafka::Revoked{{{"t-refused", Partition{0}}}, false});
  pass(1s);
  EXPECT_TRUE(board_.latest().refused.empty());
}

TEST_F(IngestDiscovery, TheLaneOfADeletedTopicEndsAndItsRowsStillCount) {
  create("listed", 3);
  create("t", 5);
  build(RunMode::kUntilStopped, {"listed"});
  pass(1s);
  assign({"listed", "t"});
  pass(15s);
  cluster_.delete_topic("t");
  cluster_.delete_topic("listed");
  lose("t");
  lose("listed");
  pass(30s);
  EXPECT_EQ(report("t"), nullptr);
  ASSERT_NE(report("listed"), nullptr) << "one that is listed is waited for";
  EXPECT_TRUE(report("listed")->halted.empty());
  EXPECT_EQ(latest_.former.rows_committed, 5U);
  EXPECT_EQ(rows("t"), 5U);
}

TEST_F(IngestDiscovery, RowsThatWereSeenToBeOfTheDeletedTopicAreStillWritten) {
  batch_interval_ = 1min;
  create("t", 5);
  build(RunMode::kUntilStopped);
  pass(1s);
  assign({"t"});
  pass(25s);
  ASSERT_EQ(rows("t"), 0U) << "they wait in a batch; Kafka was asked meanwhile";
  cluster_.delete_topic("t");
  lose("t");
  pass(30s);
  EXPECT_EQ(rows("t"), 5U);
  EXPECT_EQ(report("t"), nullptr);
}

TEST_F(IngestDiscovery, RowsThatMayBeOfAnotherTopicAreDroppedAndToldOf) {
  batch_interval_ = 1min;
  create("t", 5);
  build(RunMode::kUntilStopped);
  pass(1s);
  assign({"t"});
  pass(25s);
  produce("t", 2);
  pass(200ms);
  cluster_.delete_topic("t");
  lose("t");
  pass(30s);
  EXPECT_EQ(rows("t"), 0U);
  ASSERT_NE(report("t"), nullptr);
  const std::string& reason = report("t")->halted.at(Partition{0});
  EXPECT_NE(reason.find("7 rows, partition 0 offsets 0 to 6"), std::string::npos) << reason;
}

TEST_F(IngestDiscovery, RowsThatAreDroppedSinceAnotherTopicTookTheNameAreToldOf) {
  batch_interval_ = 1min;
  create("t", 5);
  build(RunMode::kUntilStopped);
  pass(1s);
  assign({"t"});
  pass(1s);
  lose("t");
  cluster_.delete_topic("t");
  create("t", 50);
  pass(30s);
  EXPECT_EQ(rows("t"), 0U);
  const std::string& reason = report("t")->halted.at(Partition{0});
  EXPECT_NE(reason.find("5 rows, partition 0 offsets 0 to 4"), std::string::npos) << reason;
}

TEST_F(IngestDiscovery, OnceDoesNotPassOverRowsThatWereDroppedSinceTheTopicIsGone) {
  create("t", 5);
  batch_interval_ = 1min;
  build(RunMode::kOnce, {"listed"});
  pass(1s);
  // The end waits for the other topic.
  assign({"listed", "t"});
  pass(2s);
  produce("t", 2);
  for (int i = 0; i < 5; ++i) static_cast<void>(ingest_->turn());
  cluster_.delete_topic("t");
  lose("t");
  create("listed", 3);
  EXPECT_FALSE(pass(1min));
  EXPECT_EQ(ingest_->end(), IngestEnd::kPartitionsHalted);
  EXPECT_EQ(rows("listed"), 3U);
}

TEST_F(IngestDiscovery, ADeletionThatTheConsumerDoesNotNoticeEndsTheSameWay) {
  batch_interval_ = 1min;
  create("t", 5);
  build(RunMode::kUntilStopped);
  pass(1s);
  assign({"t"});
  pass(25s);
  cluster_.delete_topic("t");
  pass(30s);
  EXPECT_EQ(rows("t"), 5U);
  ASSERT_NE(report("t"), nullptr) << "its partition is ours still";
  EXPECT_TRUE(report("t")->halted.empty());
}

TEST_F(IngestDiscovery, ATopicThatIsMissingForAMomentIsReadOn) {
  create("t", 5);
  build(RunMode::kUntilStopped);
  pass(1s);
  assign({"t"});
  pass(15s);
  const fakes::FakeKafka before = cluster_;
  cluster_.delete_topic("t");
  pass(40s);
  cluster_ = before;
  produce("t", 4);
  pass(40s);
  EXPECT_EQ(rows("t"), 9U);
  EXPECT_TRUE(report("t")->halted.empty());
}

TEST_F(IngestDiscovery, ADeletedTopicThatIsCreatedAgainHalts) {
  create("t", 5);
  build(RunMode::kUntilStopped);
  pass(1s);
  assign({"t"});
  pass(15s);
  cluster_.delete_topic("t");
  lose("t");
  pass(30s);
  ASSERT_EQ(report("t"), nullptr);
  create("t", 50);
  assign({"t"});
  pass(30s);
  ASSERT_NE(report("t"), nullptr);
  const std::string& reason = report("t")->halted.at(Partition{0});
  EXPECT_NE(reason.find("created again"), std::string::npos) << reason;
  EXPECT_EQ(rows("t"), 5U);
}

TEST_F(IngestDiscovery, PartitionsThatAreLostAndComeBackAreNotReadTwice) {
  batch_interval_ = 1min;
  create("t", 5);
  build(RunMode::kUntilStopped);
  pass(1s);
  assign({"t"});
  pass(25s);
  lose("t");
  assign({"t"});
  produce("t", 3);
  pass(3min, 1s);
  EXPECT_EQ(rows("t"), 8U);
}

TEST_F(IngestDiscovery, ATopicThatMayNotBeReadIsNamedUntilItMay) {
  patterns_.clear();
  create("a", 3);
  create("b", 5);
  cluster_.unreadable.insert("a");
  build(RunMode::kUntilStopped, {"a", "b"});
  pass(1s);
  assign({"a", "b"});
  pass(30s);
  EXPECT_EQ(report("a")->denied, "no right to read");
  EXPECT_EQ(report("b")->denied, "");
  EXPECT_EQ(rows("b"), 5U);
  cluster_.unreadable.clear();
  pass(5s);
  EXPECT_EQ(report("a")->denied, "");
  EXPECT_EQ(report("a")->trouble, "");
  EXPECT_EQ(rows("a"), 3U);
}

TEST_F(IngestDiscovery, ATopicThatMayBeReadAgainIsWellThoughNothingNewIsInIt) {
  patterns_.clear();
  create("a", 3);
  build(RunMode::kUntilStopped, {"a"});
  pass(1s);
  assign({"a"});
  pass(5s);
  cluster_.unreadable.insert("a");
  source_.push(kafka::TopicError{"a", "no right to read", true});
  pass(1min);
  EXPECT_EQ(report("a")->denied, "no right to read");
  EXPECT_LE(source_.started.size(), 15U) << "it is not asked for in a loop";
  cluster_.unreadable.clear();
  pass(7s);
  EXPECT_EQ(report("a")->denied, "");
  EXPECT_EQ(rows("a"), 3U);
}

TEST_F(IngestDiscovery, ATopicThatMayNotBeLookedAtIsNamedUntilItMay) {
  patterns_.clear();
  create("a", 3);
  cluster_.denied.insert("a");
  build(RunMode::kUntilStopped, {"a"});
  pass(1s);
  source_.push(kafka::TopicError{"a", "no right to look", true});
  pass(1min);
  EXPECT_EQ(report("a")->denied, "no right to look");
  cluster_.denied.clear();
  pass(15s);
  EXPECT_EQ(report("a")->denied, "") << "another instance may have its partitions";
}

TEST_F(IngestDiscovery, OnceFailsWhenATopicMayNotBeRead) {
  patterns_.clear();
  create("a", 3);
  create("b", 5);
  cluster_.denied.insert("a");
  build(RunMode::kOnce, {"a", "b"});
  pass(1s);
  source_.push(kafka::TopicError{"a", "no right to read", true});
  assign({"a", "b"});
  EXPECT_FALSE(pass(1min));
  EXPECT_EQ(ingest_->end(), IngestEnd::kPartitionsHalted);
  EXPECT_EQ(rows("b"), 5U);
}

TEST_F(IngestDiscovery, AGroupThatDeniesUsIsNamedUntilItTakesUsIn) {
  build(RunMode::kUntilStopped);
  source_.push(kafka::JoinRefused{"an eager member"});
  pass(1s);
  EXPECT_EQ(board_.latest().group_trouble, "an eager member");
  EXPECT_FALSE(board_.latest().group_denied);
  source_.push(kafka::JoinRefused{"no right", true});
  pass(1s);
  EXPECT_EQ(board_.latest().group_trouble, "no right");
  EXPECT_TRUE(board_.latest().group_denied);
  create("t", 1);
  assign({"t"});
  pass(1s);
  EXPECT_EQ(board_.latest().group_trouble, "");
  EXPECT_FALSE(board_.latest().group_denied);
}

TEST_F(IngestDiscovery, AnAssignmentHoldsUntilAllOfItIsLost) {
  create("t", 2);
  create("u", 2);
  build(RunMode::kUntilStopped);
  assign({"t", "u"});
  pass(1s);
  EXPECT_TRUE(board_.latest().assigned);
  lose("u");
  pass(1s);
  EXPECT_TRUE(board_.latest().assigned) << "others are ours still";
  lose("t");
  pass(1s);
  EXPECT_FALSE(board_.latest().assigned);
  assign({});
  pass(1s);
  EXPECT_TRUE(board_.latest().assigned) << "others have them all";
}

TEST_F(IngestDiscovery, OnceIsNotOverWhileWhatWasLostHasNotComeBack) {
  create("t", 3);
  build(RunMode::kOnce, {"t"});
  assign({"t"});
  lose("t");
  ASSERT_TRUE(pass(1min)) << "nothing was read";
  assign({"t"});
  EXPECT_FALSE(pass(1min));
  EXPECT_EQ(rows("t"), 3U);
}

TEST_F(IngestDiscovery, CheckpointsOfAllTopicsAreOneStrandBesideTheCommits) {
  table_configuration_ = {{"delta.checkpointInterval", "1"}};
  build(RunMode::kUntilStopped);
  pass(1s);
  for (const std::string topic : {"t1", "t2", "t3"}) create(topic, 5);
  assign({"t1", "t2", "t3"});
  // A worker is busy with the first checkpoint all the time.
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(ingest_->turn());
    while (executor_.strands() > (executor_.waiting(k_checkpoint_strand) > 0 ? 1U : 0U)) {
      executor_.run_one(executor_.waiting(k_checkpoint_strand) > 0 ? 1 : 0);
    }
    clock_.advance(100ms);
    if (i == 500) produce("t1", 2);
  }
  EXPECT_EQ(executor_.waiting(k_checkpoint_strand), 3U);
  EXPECT_EQ(rows("t1") + rows("t2") + rows("t3"), 17U);
}

}  // namespace
}  // namespace bronze::ingest
