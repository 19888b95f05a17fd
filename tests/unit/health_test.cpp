#include "observe/health.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bronze::observe {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const SteadyTime k_start{seconds{1'000}};
const SteadyTime k_now = k_start + seconds{500};

config::HealthConfig rules(config::IdleHealth when_idle = config::IdleHealth::kHealthy) {
  return {.max_write_age = seconds{60}, .when_idle = when_idle};
}

HealthInputs quiet() {
  HealthInputs in;
  in.now = k_now;
  in.started = k_start;
  in.last_loop_turn = k_now;
  return in;
}

struct HealthCase {
  std::string name;
  std::function<void(HealthInputs&)> change;
  /// Empty = healthy; otherwise part of the only reason.
  std::string reason;
};

TopicHealth topic_due(SteadyTime due_at) {
  return {.name = "trips", .has_received_records = true, .due_at = due_at, .last_write = {}};
}

const std::vector<HealthCase>& cases() {
  static const std::vector<HealthCase> k_cases = {
      {"idle since the start", [](HealthInputs&) {}, ""},
      {"received, not due yet",
       [](HealthInputs& in) { in.topics = {topic_due(k_now + seconds{5})}; }, ""},
      {"due for exactly the limit",
       [](HealthInputs& in) { in.topics = {topic_due(k_now - seconds{60})}; }, ""},
      {"due for longer than the limit",
       [](HealthInputs& in) { in.topics = {topic_due(k_now - milliseconds{60'001})}; },
       "topic trips holds records, and no write of it has succeeded for 60 s"},
      {"waits for a schema for exactly the limit",
       [](HealthInputs& in) {
         in.topics = {{.name = "trips", .due_at = {}, .last_write = {}}};
         in.topics[0].schema_awaited_since = k_now - seconds{60};
       },
       ""},
      {"waits for a schema for longer than the limit",
       [](HealthInputs& in) {
         in.topics = {{.name = "trips", .due_at = {}, .last_write = {}}};
         in.topics[0].schema_awaited_since = k_now - milliseconds{61'000};
       },
       "topic trips has waited for a schema for 61 s"},
      {"written since it was due",
       [](HealthInputs& in) {
         in.topics = {topic_due(k_now - seconds{100})};
         in.topics[0].last_write = k_now - seconds{10};
       },
       ""},
      {"written before it was due",
       [](HealthInputs& in) {
         in.topics = {topic_due(k_now - seconds{100})};
         in.topics[0].last_write = k_now - seconds{110};
       },
       "for 100 s"},
      {"another topic is written",
       [](HealthInputs& in) {
         in.topics = {topic_due(k_now - seconds{100}),
                      {.name = "ratings",
                       .has_received_records = true,
                       .due_at = k_now,
                       .last_write = k_now}};
         in.last_write = k_now;
       },
       "topic trips"},
      {"due but nothing received",
       [](HealthInputs& in) {
         in.topics = {topic_due(k_now - seconds{100})};
         in.topics[0].has_received_records = false;
       },
       ""},
      {"the loop stands still", [](HealthInputs& in) { in.last_loop_turn = k_now - seconds{61}; },
       "the polling loop has not turned for 61 s"},
      {"the loop has not begun", [](HealthInputs& in) { in.last_loop_turn.reset(); },
       "the polling loop has not turned for 500 s"},
      {"the loop turned lately", [](HealthInputs& in) { in.last_loop_turn = k_now - seconds{59}; },
       ""},
      {"brokers away for long",
       [](HealthInputs& in) { in.brokers_unreachable_since = k_now - seconds{75}; },
       "no broker has been reachable for 75 s"},
      {"brokers away for long, and why",
       [](HealthInputs& in) {
         in.brokers_unreachable_since = k_now - seconds{75};
         in.brokers_trouble = "wrong password";
       },
       "no broker has been reachable for 75 s: wrong password"},
      {"the group is denied", [](HealthInputs& in) { in.group_denied = "Grant this user READ"; },
       "Grant this user READ"},
      {"brokers away for a moment",
       [](HealthInputs& in) { in.brokers_unreachable_since = k_now - seconds{60}; }, ""},
      {"a partition is stopped",
       [](HealthInputs& in) {
         in.stopped = {{.topic = "trips", .partition = 3, .reason = "data loss"}};
       },
       "partition 3 of topic trips is stopped: data loss"},
      {"a matched topic is refused",
       [](HealthInputs& in) {
         in.refused = {{"a_b", "it would share a table"}};
       },
       "topic a_b is not copied: it would share a table"},
  };
  return k_cases;
}

TEST(Health, FollowsEachRule) {
  for (const auto& [name, change, reason] : cases()) {
    HealthInputs in = quiet();
    change(in);
    const Health health = evaluate_health(in, rules());
    EXPECT_EQ(health.healthy, reason.empty()) << name;
    ASSERT_EQ(health.reasons.size(), reason.empty() ? 0U : 1U) << name;
    if (!reason.empty()) {
      EXPECT_NE(health.reasons[0].find(reason), std::string::npos) << health.reasons[0];
    }
  }
}

TEST(Health, IsGoodInTheFirstSecond) {
  HealthInputs in;
  in.now = k_start + milliseconds{10};
  in.started = k_start;
  in.brokers_unreachable_since = k_start;
  EXPECT_TRUE(evaluate_health(in, rules()).healthy);
  EXPECT_TRUE(evaluate_health(in, rules(config::IdleHealth::kUnhealthy)).healthy);
}

TEST(Health, CollectsAllReasons) {
  HealthInputs in = quiet();
  in.last_loop_turn.reset();
  in.brokers_unreachable_since = k_start;
  in.topics = {topic_due(k_start)};
  in.stopped = {{.topic = "a", .partition = 0, .reason = "x"},
                {.topic = "b", .partition = 1, .reason = "y"}};
  EXPECT_EQ(evaluate_health(in, rules()).reasons.size(), 5U);
}

TEST(Health, ShortensALongListOfReasons) {
  HealthInputs in = quiet();
  in.stopped.resize(200);
  const auto reasons = evaluate_health(in, rules()).reasons;
  EXPECT_EQ(reasons.size(), 51U);
  EXPECT_EQ(reasons.back(), "and 150 more");
}

TEST(HealthWhenIdle, UnhealthyCountsFromTheStartAndThenFromTheLastWrite) {
  const auto strict = rules(config::IdleHealth::kUnhealthy);
  HealthInputs in = quiet();
  EXPECT_EQ(evaluate_health(in, strict).reasons,
            (std::vector<std::string>{"no successful write for 500 s"}));
  in.last_write = k_now - seconds{60};
  EXPECT_TRUE(evaluate_health(in, strict).healthy);
  in.last_write = k_now - milliseconds{60'001};
  EXPECT_FALSE(evaluate_health(in, strict).healthy);
}

TEST(HealthBody, IsTheJsonOfTheContract) {
  HealthInputs in = quiet();
  in.last_write_at = 1'705'314'600'999'999;
  in.messages_written = 150;
  in.errors = 2;
  in.dlq_messages = 3;
  EXPECT_EQ(evaluate_health(in, rules()).body,
            "{\"status\":\"healthy\",\"last_write\":\"2024-01-15T10:30:00+00:00\","
            "\"messages_written\":150,\"errors\":2,\"dlq_messages\":3,\"reasons\":[]}");
}

TEST(HealthBody, HasNoLastWriteBeforeTheFirst) {
  const auto body = nlohmann::json::parse(evaluate_health(quiet(), rules()).body);
  EXPECT_TRUE(body["last_write"].is_null());
}

TEST(HealthBody, StaysJsonWhateverAReasonHolds) {
  HealthInputs in = quiet();
  in.stopped = {{.topic = "a", .partition = 0, .reason = "\"\xff\n"}};
  const auto body = nlohmann::json::parse(evaluate_health(in, rules()).body);
  EXPECT_EQ(body["status"], "unhealthy");
  EXPECT_EQ(body["reasons"][0], "partition 0 of topic a is stopped: \"\xef\xbf\xbd\n");
}

}  // namespace
}  // namespace bronze::observe
