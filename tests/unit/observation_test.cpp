#include "observe/observation.h"

#include <gtest/gtest.h>
#include <spdlog/logger.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "fakes/observations.h"
#include "observe/metrics.h"
#include "observe/status.h"

namespace bronze::observe {
namespace {

using ingest::PartitionActivity;
using std::chrono::milliseconds;
using std::chrono::seconds;

bool says(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, TellWhatTheReportTells) {
  const std::string text = metrics_text(well());
  for (const char* line : {
           "# TYPE bronze_rows_committed_total counter",
           "bronze_rows_committed_total{topic=\"trips\"} 90",
           "bronze_bytes_committed_total{topic=\"trips\"} 900",
           "bronze_messages_consumed_total{topic=\"trips\"} 110",
           "bronze_consumer_lag{topic=\"trips\",partition=\"0\"} 30",
           "bronze_consumer_lag_seconds{topic=\"trips\"} 5",
           "bronze_oldest_unwritten_seconds{topic=\"trips\"} 4",
           "bronze_dead_letters_total{topic=\"trips\",type=\"ENCODING_ERROR\"} 10",
           "bronze_dead_letters_total{topic=\"trips\",type=\"JSON_PARSE_ERROR\"} 0",
           "bronze_commits_total{topic=\"trips\",outcome=\"committed\"} 3",
           "bronze_commits_total{topic=\"trips\",outcome=\"failed\"} 0",
           "bronze_commit_duration_seconds_bucket{le=\"0.025\"} 0",
           "bronze_commit_duration_seconds_bucket{le=\"0.05\"} 1",
           "bronze_commit_duration_seconds_bucket{le=\"60\"} 1",
           "bronze_commit_duration_seconds_bucket{le=\"+Inf\"} 2",
           "bronze_commit_duration_seconds_count 2",
           "bronze_stopped_partitions 0",
           "bronze_memory_budget_bytes 1000",
           "bronze_ready 1",
           "process_start_time_seconds 1699999940.123",
           "bronze_build_info{version=\"1.2.3\"} 1",
       }) {
    EXPECT_TRUE(says(text, line)) << line << "\n" << text;
  }
}

TEST(Metrics, ALagThatIsNotKnownHasNoSample) {
  Observation seen = well();
  seen.report.lanes[0].partitions[Partition{1}] = only_partition(seen);
  only_partition(seen).end.reset();
  const std::string text = metrics_text(seen);
  EXPECT_TRUE(says(text, "bronze_consumer_lag{topic=\"trips\",partition=\"1\"} 30"));
  EXPECT_EQ(text.find("bronze_consumer_lag{topic=\"trips\",partition=\"0\"}"), std::string::npos);
  EXPECT_TRUE(says(text, "bronze_consumer_lag_seconds{topic=\"trips\"} 5"));
  seen.report.lanes[0].partitions.erase(Partition{1});
  EXPECT_EQ(metrics_text(seen).find("bronze_consumer_lag_seconds{"), std::string::npos);
}

TEST(Metrics, NamesAreEscaped) {
  Observation seen = well();
  seen.report.lanes[0].topic = "a\"b\\c\nd";
  EXPECT_NE(metrics_text(seen).find(R"(bronze_rows_committed_total{topic="a\"b\\c\nd"} 90)"),
            std::string::npos);
}

TEST(Metrics, ThereAreNoMoreSeriesThanDocumented) {
  Observation seen = well();
  only_partition(seen).loses_data_in = seconds(90);
  for (int i = 1; i < 25; ++i) {
    seen.report.lanes[0].partitions[Partition{i}] = only_partition(seen);
  }
  for (int i = 1; i < 8; ++i) seen.report.lanes.push_back(seen.report.lanes[0]);
  std::istringstream lines(metrics_text(seen));
  std::size_t series = 0;
  for (std::string line; std::getline(lines, line);) series += line.starts_with('#') ? 0 : 1;
  EXPECT_EQ(series, 12U * 8 + 8 * 25 + 30) << "docs/status.md";
}

TEST(Metrics, WhatEndedLanesDidStaysInTheSums) {
  Observation seen = well();
  seen.report.former.add(seen.report.lanes[0]);
  seen.report.lanes.clear();
  EXPECT_TRUE(says(metrics_text(seen), "bronze_commit_duration_seconds_count 2"));
}

TEST(Ready, WhenAllIsWell) {
  const auto ready = judge_ready(well());
  EXPECT_TRUE(ready.holds);
  EXPECT_TRUE(ready.reasons.empty());
  EXPECT_TRUE(judge_live(well()).holds);
}

struct NotReadyCase {
  const char* reason;
  void (*spoil)(Observation&);
};

class NotReady : public testing::TestWithParam<NotReadyCase> {};

TEST_P(NotReady, NamesTheReason) {
  Observation seen = well();
  GetParam().spoil(seen);
  const auto ready = judge_ready(seen);
  EXPECT_FALSE(ready.holds);
  ASSERT_EQ(ready.reasons.size(), 1U);
  EXPECT_EQ(ready.reasons[0], GetParam().reason);
}

INSTANTIATE_TEST_SUITE_P(
    Observation, NotReady,
    testing::Values(
        NotReadyCase{"unwell", [](Observation& seen) { seen.health.reasons = {"unwell"}; }},
        NotReadyCase{"the store at s3://bucket has not answered a request for 6 s",
                     [](Observation& seen) { seen.store.unanswered = milliseconds(6'000); }},
        NotReadyCase{"the store at s3://bucket cannot be used: no bucket",
                     [](Observation& seen) { seen.report.store_trouble = "no bucket"; }},
        NotReadyCase{"no answer from Kafka at kafka:9092",
                     [](Observation& seen) { seen.report.last_broker_answer.reset(); }},
        NotReadyCase{"no answer from Kafka at kafka:9092: wrong password",
                     [](Observation& seen) {
                       seen.report.last_broker_answer.reset();
                       seen.report.kafka_trouble = "wrong password";
                     }},
        NotReadyCase{"no partitions have been assigned yet",
                     [](Observation& seen) { seen.report.assigned = false; }},
        NotReadyCase{"the consumer group took the partitions away and has assigned none since",
                     [](Observation& seen) {
                       seen.report.assigned = false;
                       seen.report.rebalances = 1;
                     }},
        NotReadyCase{"an eager member",
                     [](Observation& seen) {
                       seen.report.assigned = false;
                       seen.report.group_trouble = "an eager member";
                     }},
        NotReadyCase{"an eager member",
                     [](Observation& seen) { seen.report.group_trouble = "an eager member"; }},
        NotReadyCase{"no right",
                     [](Observation& seen) {
                       seen.report.group_trouble = "no right";
                       seen.report.group_denied = true;
                       seen.health.reasons = {"no right"};
                     }},
        NotReadyCase{"topic trips: the last 2 tries to write failed",
                     [](Observation& seen) { seen.report.lanes[0].failures = 2; }},
        NotReadyCase{"topic trips: not authorised",
                     [](Observation& seen) { seen.report.lanes[0].trouble = "not authorised"; }}));

TEST(Live, NotWhenTheLoopStands) {
  Observation seen = well();
  seen.report.last_turn = seen.now - seconds(31);
  EXPECT_FALSE(judge_live(seen).holds);
}

TEST(StatusDocument, TellsTopicsAndPartitions) {
  Observation seen = well();
  only_partition(seen).loses_data_in = seconds(90);
  seen.troubles = {{.at = 2, .message = "trips: late"}, {.at = 1, .message = "Kafka: gone"}};

  const auto status = nlohmann::json::parse(status_json(seen));

  EXPECT_EQ(status["now"], "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(status["started_at"], "2023-11-14T22:12:20.123Z");
  const auto& topic = status["topics"][0];
  EXPECT_EQ(topic["table"], "bronze_trips");
  EXPECT_EQ(topic["state"], "copying");
  EXPECT_EQ(topic["lag"], 30);
  EXPECT_EQ(topic["retention_risk_seconds"], 90);
  EXPECT_EQ(topic["last_error"]["message"], "trips: late");
  EXPECT_EQ(topic["partitions"][0]["committed"], 100);
  EXPECT_FALSE(topic["partitions"][0].contains("state"));
  EXPECT_EQ(status["errors"][0]["topic"], "trips");
  EXPECT_EQ(status["errors"][1]["topic"], "");
  EXPECT_EQ(status["totals"]["lag"], 30);
}

TEST(StatusDocument, DeadLettersOfEndedTopicsAreInBothSums) {
  Observation seen = well();
  ingest::LaneReport ended = seen.report.lanes[0];
  ended.dead_letters.by_type = {{"JSON_PARSE_ERROR", 7}};
  ended.dead_letters.count = 7;
  seen.report.former.add(ended);

  const auto status = nlohmann::json::parse(status_json(seen));

  EXPECT_EQ(status["totals"]["dead_letters"], 17);
  EXPECT_EQ(status["dead_letters"]["ENCODING_ERROR"], 10);
  EXPECT_EQ(status["dead_letters"]["JSON_PARSE_ERROR"], 7);
}

TEST(StatusDocument, OfTopicsAndPartitionsWhatSaysNothingIsLeftOut) {
  using Json = nlohmann::json;
  Observation seen = well();
  only_partition(seen) = {.activity = PartitionActivity::kReading,
                          .position = {},
                          .committed = {},
                          .end = {},
                          .last_timestamp = {},
                          .loses_data_in = {},
                          .reason = ""};
  seen.report.lanes[0].dead_letters = {};
  const auto status = Json::parse(status_json(seen));
  EXPECT_TRUE(status["totals"]["lag"].is_null());
  EXPECT_EQ(status["topics"][0], Json::parse(R"({
    "topic": "trips", "table": "bronze_trips", "state": "copying", "rows_committed": 90,
    "bytes_committed": 900, "messages_consumed": 110, "oldest_unwritten_seconds": 4,
    "partitions": [{"partition": 0}]})"));
}

TEST(StatusDocument, WithoutPartitionsItIsTheSame) {
  auto whole = nlohmann::json::parse(status_json(well()));
  whole["topics"][0].erase("partitions");
  EXPECT_EQ(nlohmann::json::parse(status_json(well(), StatusDetail::kTopics)), whole);
}

TEST(StatusDocument, IsSmallWithHundredsOfTopics) {
  const Observation seen = with_topics(200, 10);
  EXPECT_LT(status_json(seen).size(), 250'000U);
  EXPECT_LT(status_json(seen, StatusDetail::kTopics).size(), 90'000U);
}

TEST(StatusDocument, TellsHowOftenBatchesAreWrittenAndAtWhatRate) {
  Observation seen = well();
  EXPECT_TRUE(nlohmann::json::parse(status_json(seen))["rates"].is_null());
  seen.facts.batch_interval = milliseconds(2'500);
  seen.history.steps.assign(100, {.rows = 10, .bytes = 1'000, .lag = 7});
  seen.history.steps.back() = {.rows = 70, .bytes = 7'000, .lag = 7};

  auto status = nlohmann::json::parse(status_json(seen));
  EXPECT_EQ(status["batch_interval_seconds"], 2.5);
  EXPECT_EQ(
      status["rates"],
      (nlohmann::json{{"over_seconds", 60}, {"rows_per_second", 2}, {"bytes_per_second", 200}}));

  // Of ten minutes there may be no commit in a minute, and two in the next.
  seen.facts.batch_interval = seconds(300);
  status = nlohmann::json::parse(status_json(seen));
  EXPECT_EQ(status["rates"]["over_seconds"], 600);
  EXPECT_EQ(status["rates"]["rows_per_second"], 1.1);
}

TEST(StatusDocument, TheMostUrgentStateIsTold) {
  Observation seen = well();
  const auto state = [&] { return nlohmann::json::parse(status_json(seen))["topics"][0]["state"]; };
  only_partition(seen).committed = Offset{130};
  EXPECT_EQ(state(), "waiting");
  only_partition(seen).activity = PartitionActivity::kPaused;
  EXPECT_EQ(state(), "paused");
  const auto document = nlohmann::json::parse(status_json(seen));
  EXPECT_EQ(document["topics"][0]["partitions"][0]["state"], "paused");
  seen.report.lanes[0].failures = 1;
  EXPECT_EQ(state(), "failing");
  seen.report.lanes[0].halted[Partition{0}] = "data loss";
  EXPECT_EQ(state(), "stopped");
}

TEST(RecentTroubles, KeepsTheLastWarningsNewestFirst) {
  const auto kept = std::make_shared<RecentTroubles>();
  spdlog::logger logger("test", kept);
  logger.info("nothing");
  for (int i = 0; i < 30; ++i) logger.warn("trouble {}", i);
  const auto latest = kept->latest();
  ASSERT_EQ(latest.size(), RecentTroubles::k_max);
  EXPECT_EQ(latest.front().message, "trouble 29");
  EXPECT_EQ(latest.back().message, "trouble 10");
  EXPECT_GT(latest.front().at, 1'700'000'000'000'000);
}

TEST(RecentTroubles, TheLastOfATopicIsKeptWhateverComesAfterIt) {
  const auto kept = std::make_shared<RecentTroubles>();
  spdlog::logger logger("test", kept);
  logger.warn("trips: first");
  logger.warn("trips: second");
  for (int i = 0; i < 30; ++i) logger.warn("waiting for Kafka: {}", i);
  for (int i = 0; i < 30; ++i) logger.warn("ratings: partition {} is stopped", i);

  const auto latest = kept->latest();

  EXPECT_EQ(first_about(latest, "trips")->message, "trips: second");
  EXPECT_EQ(first_about(latest, "ratings")->message, "ratings: partition 29 is stopped");
  EXPECT_EQ(latest.size(), RecentTroubles::k_max + 2);
  EXPECT_EQ(latest.front().message, "ratings: partition 29 is stopped");
}

TEST(RecentTroubles, OfTopicsThatComeAndGoThoseOfLateAreKept) {
  const auto kept = std::make_shared<RecentTroubles>();
  spdlog::logger logger("test", kept);
  for (std::size_t i = 0; i < 2 * RecentTroubles::k_topics_max; ++i) logger.warn("t{}: late", i);
  const auto latest = kept->latest();
  EXPECT_EQ(latest.size(), RecentTroubles::k_max + RecentTroubles::k_topics_max);
  EXPECT_EQ(latest.front().message, "t1999: late");
}

TEST(RecentTroubles, WhatSaysTheSameIsCounted) {
  const auto kept = std::make_shared<RecentTroubles>();
  spdlog::logger logger("test", kept);
  logger.warn("trips: partition 0 is stopped");
  logger.warn("Kafka: gone");
  logger.warn("trips: partition 0 is stopped");
  const auto latest = kept->latest();
  ASSERT_EQ(latest.size(), 2U);
  EXPECT_EQ(latest[0].message, "trips: partition 0 is stopped");
  EXPECT_EQ(latest[0].times, 2U);
  EXPECT_EQ(latest[1].times, 1U);
}

TEST(StatusDocument, ErrorsAreTheLastOnesOnly) {
  Observation seen = well();
  for (int i = 0; i < 21; ++i) {
    seen.troubles.push_back({.at = 100 - i, .message = "Kafka: " + std::to_string(i), .times = 3});
  }
  seen.troubles.push_back({.at = 1, .message = "trips: late"});
  const auto status = nlohmann::json::parse(status_json(seen));
  EXPECT_EQ(status["errors"].size(), RecentTroubles::k_max);
  EXPECT_EQ(status["errors"][0]["times"], 3);
  EXPECT_EQ(status["topics"][0]["last_error"]["message"], "trips: late");
}

}  // namespace
}  // namespace bronze::observe
