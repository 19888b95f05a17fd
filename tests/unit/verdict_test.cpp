#include "observe/verdict.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "fakes/observations.h"

namespace bronze::observe {
namespace {

using ingest::PartitionActivity;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// The lag of each step of the last hour.
void set_lag(Observation& seen, const std::function<std::int64_t(std::int64_t)>& lag_at) {
  seen.history.steps.clear();
  for (std::int64_t i = 0; i < 360; ++i) {
    seen.history.steps.push_back({.rows = 500, .bytes = 5'000, .lag = lag_at(i)});
  }
}

/// A record of so long ago was read last.
void set_age(Observation& seen, seconds age) {
  only_partition(seen).last_timestamp =
      seen.wall - std::chrono::duration_cast<std::chrono::microseconds>(age).count();
}

void stop_a_partition(Observation& seen) {
  seen.health.healthy = false;
  seen.health.reasons = {"partition 0 of topic trips is stopped: data loss"};
  seen.report.lanes[0].halted[Partition{0}] = "data loss";
  only_partition(seen).activity = PartitionActivity::kStopped;
}

struct VerdictCase {
  const char* name;
  void (*spoil)(Observation&);
  Verdict expected;
};

void PrintTo(const VerdictCase& it, std::ostream* out) { *out << it.name; }

class Verdicts : public testing::TestWithParam<VerdictCase> {};

TEST_P(Verdicts, SayWhatIsSoAndWhatToDo) {
  Observation seen = well();
  GetParam().spoil(seen);
  const Verdict verdict = verdict_of(seen);
  EXPECT_EQ(verdict.tone, GetParam().expected.tone);
  EXPECT_EQ(verdict.headline, GetParam().expected.headline);
  EXPECT_EQ(verdict.doing, GetParam().expected.doing);
  EXPECT_EQ(verdict.advice, GetParam().expected.advice);
}

const VerdictCase k_cases[] = {
    {"idle",
     [](Observation& seen) {
       only_partition(seen).committed = Offset{130};
       seen.report.lanes[0].dead_letters = {};
     },
     {.tone = Tone::kWell,
      .headline = "All is well",
      .doing = "Everything is in the tables, and nothing new arrives.",
      .advice = "Nothing to do."}},
    {"busy",
     [](Observation& seen) { set_lag(seen, [](auto) { return 30; }); },
     {.tone = Tone::kWell,
      .headline = "All is well",
      .doing = "Copying 1 topic at 50 rows a second, nothing is late. 10 records went to the dead "
               "letters since the start.",
      .advice = "Nothing to do."}},
    {"not all lags known",
     [](Observation& seen) {
       only_partition(seen).end.reset();
       seen.report.lanes[0].dead_letters = {};
     },
     {.tone = Tone::kWell,
      .headline = "All is well",
      .doing = "Copying 1 topic at 0 rows a second.",
      .advice = "Nothing to do."}},
    {"catching up",
     [](Observation& seen) {
       seen.report.lanes[0].dead_letters = {};
       set_age(seen, seconds(540));
       set_lag(seen, [](std::int64_t i) { return 1'000 * (400 - i); });
     },
     {.tone = Tone::kBusy,
      .headline = "Catching up",
      .doing = "About 7 min left: 30 records to go, up to 9 min old, at 50 rows a second.",
      .advice = "Nothing to do but wait."}},
    {"falling behind",
     [](Observation& seen) {
       seen.report.lanes[0].dead_letters = {};
       set_age(seen, seconds(540));
       set_lag(seen, [](std::int64_t i) { return 1'000 * (i + 1); });
     },
     {.tone = Tone::kWarn,
      .headline = "Behind, and falling further behind",
      .doing = "30 records to go, up to 9 min old, at 50 rows a second.",
      .advice = "Give it more CPU, or start another instance of the group."}},
    {"behind",
     [](Observation& seen) {
       seen.report.lanes[0].dead_letters = {};
       set_age(seen, seconds(540));
       set_lag(seen, [](auto) { return 3'001; });
     },
     {.tone = Tone::kWarn,
      .headline = "Behind",
      .doing = "30 records to go, up to 9 min old, at 50 rows a second.",
      .advice = "If it lasts, give it more CPU, or start another instance of the group."}},
    {"records that are old when they come, copied at once",
     [](Observation& seen) {
       seen.report.lanes[0].dead_letters = {};
       set_age(seen, seconds(3'600));
       set_lag(seen, [](auto) { return 30; });
     },
     {.tone = Tone::kWell,
      .headline = "All is well",
      .doing = "Copying 1 topic at 50 rows a second, nothing is late.",
      .advice = "Nothing to do."}},
    {"one record that was old when it came",
     [](Observation& seen) {
       seen.report.lanes[0].dead_letters = {};
       set_age(seen, seconds(3'600));
       seen.history.steps.assign(360, {.rows = 0, .bytes = 0, .lag = 0});
     },
     {.tone = Tone::kWell,
      .headline = "All is well",
      .doing = "Copying 1 topic at 0 rows a second, nothing is late.",
      .advice = "Nothing to do."}},
    {"one topic stands still beside others",
     [](Observation& seen) {
       seen.report.lanes[0].dead_letters = {};
       seen.report.started_at = seen.now - minutes(10);
       set_age(seen, seconds(540));
       set_lag(seen, [](auto) { return 30; });
       seen.report.lanes[0].oldest_unwritten.reset();
       seen.report.lanes[0].last_write = seen.now - seconds(61);
     },
     {.tone = Tone::kWarn,
      .headline = "Behind",
      .doing = "30 records to go, up to 9 min old, at 50 rows a second.",
      .advice = "If it lasts, give it more CPU, or start another instance of the group."}},
    {"old records, and no batch was due yet",
     [](Observation& seen) {
       seen.report.lanes[0].dead_letters = {};
       set_age(seen, seconds(540));
     },
     {.tone = Tone::kBusy,
      .headline = "Starting",
      .doing = "30 records to go, up to 9 min old, at 0 rows a second.",
      .advice = "Wait: the first batches will show how fast it is."}},
    {"a topic is held up",
     [](Observation& seen) { seen.report.lanes[0].trouble = "not authorised"; },
     {.tone = Tone::kWarn,
      .headline = "1 topic is held up",
      .doing = "topic trips: not authorised",
      .advice = "Wait; if it lasts, run bronze check."}},
    {"a retention risk of more than a day",
     [](Observation& seen) {
       only_partition(seen).loses_data_in = std::chrono::hours(24);
       set_lag(seen, [](auto) { return 30; });
     },
     {.tone = Tone::kWell,
      .headline = "All is well",
      .doing = "Copying 1 topic at 50 rows a second, nothing is late. 10 records went to the dead "
               "letters since the start.",
      .advice = "Nothing to do."}},
    {"retention risk",
     [](Observation& seen) { only_partition(seen).loses_data_in = seconds(754); },
     {.tone = Tone::kBad,
      .headline = "Records will be lost in about 13 min",
      .doing = "Kafka deletes records of trips before they are copied.",
      .advice = "Raise the retention of the topic now, then remove what holds it up, or start "
                "another instance."}},
    {"retention has overtaken",
     [](Observation& seen) { only_partition(seen).loses_data_in = seconds(0); },
     {.tone = Tone::kBad,
      .headline = "Records have been lost",
      .doing = "Kafka deletes records of trips before they are copied.",
      .advice = "Raise the retention of the topic now, then remove what holds it up, or start "
                "another instance."}},
    {"stopped",
     stop_a_partition,
     {.tone = Tone::kBad,
      .headline = "1 partition is stopped",
      .doing = "Nothing is copied.",
      .advice = "Read the reason, remove the cause before Kafka deletes the records, then restart "
                "the service."}},
    {"stopped, others go on",
     [](Observation& seen) {
       stop_a_partition(seen);
       for (int i = 1; i < 4; ++i) seen.report.lanes[0].partitions[Partition{i}] = {};
     },
     {.tone = Tone::kBad,
      .headline = "1 partition is stopped",
      .doing = "3 others go on.",
      .advice = "Read the reason, remove the cause before Kafka deletes the records, then restart "
                "the service."}},
    {"refused",
     [](Observation& seen) {
       seen.report.refused = {{"a.b", {1, "it would share a table"}}, {"a_b", {1, "too"}}};
     },
     {.tone = Tone::kBad,
      .headline = "2 topics are not copied",
      .doing = "1 topic goes on.",
      .advice = "Read the reason below, and name the topics so that each has a table of its own."}},
    {"store silent",
     [](Observation& seen) {
       seen.store = {.unanswered = milliseconds(6'000), .last_answer = milliseconds(48'250)};
     },
     {.tone = Tone::kBad,
      .headline = "The store does not answer",
      .doing = "The store has not answered for 48 s. Records wait in Kafka, none is lost.",
      .advice = "Check the store of s3://bucket, the network and the keys. Writing goes on by "
                "itself."}},
    {"Kafka has not answered yet",
     [](Observation& seen) { seen.report.last_broker_answer.reset(); },
     {.tone = Tone::kBusy,
      .headline = "Starting",
      .doing = "Kafka has not answered yet.",
      .advice = "Wait. If it lasts: Check the brokers at kafka:9092, the network and the "
                "credentials. Reading goes on by itself."}},
    {"Kafka has not answered yet, and why",
     [](Observation& seen) {
       seen.report.last_broker_answer.reset();
       seen.report.kafka_trouble = "wrong password";
       seen.health.healthy = false;
     },
     {.tone = Tone::kBad,
      .headline = "Kafka does not answer",
      .doing = "Kafka has not answered yet: wrong password.",
      .advice = "Check the brokers at kafka:9092, the network and the credentials. Reading goes on "
                "by itself."}},
    {"the store has not answered for too long",
     [](Observation& seen) {
       seen.report.store_trouble = "no bucket";
       seen.health.healthy = false;
     },
     {.tone = Tone::kBad,
      .headline = "The store does not answer",
      .doing = "The store has not answered yet. Records wait in Kafka, none is lost.",
      .advice = "Check the store of s3://bucket, the network and the keys. Writing goes on by "
                "itself."}},
    {"starting",
     [](Observation& seen) { seen.report.assigned = false; },
     {.tone = Tone::kBusy,
      .headline = "Starting",
      .doing = "no partitions have been assigned yet",
      .advice = "Wait; if it lasts, run bronze check."}},
    {"the group does not let us in",
     [](Observation& seen) {
       seen.report.lanes[0].partitions.clear();
       seen.report.group_trouble = "group g has a member with an eager assignor";
     },
     {.tone = Tone::kBad,
      .headline = "The consumer group does not let this instance in",
      .doing = "group g has a member with an eager assignor",
      .advice = "Remove the cause: reading begins by itself then."}},
    {"failing",
     [](Observation& seen) {
       seen.report.lanes[0].failures = 3;
       seen.troubles = {{.at = 2, .message = "tripsome: no"},
                        {.at = 1, .message = "trips: HTTP 503"}};
     },
     {.tone = Tone::kWarn,
      .headline = "Writes of 1 topic fail and are tried again",
      .doing = "trips: HTTP 503",
      .advice = "If it lasts, check the store."}},
    {"failing, and the log says no more why",
     [](Observation& seen) { seen.report.lanes[0].failures = 3; },
     {.tone = Tone::kWarn,
      .headline = "Writes of 1 topic fail and are tried again",
      .doing = "trips: the last 3 tries to write failed.",
      .advice = "If it lasts, check the store."}},
    {"paused",
     [](Observation& seen) { seen.report.intake = ingest::Intake::kPaused; },
     {.tone = Tone::kWarn,
      .headline = "Reading pauses",
      .doing = "The memory for batches is full, because the store is slow.",
      .advice = "If it lasts, look at the store, or raise MEMORY_LIMIT_MB."}},
    {"nothing assigned",
     [](Observation& seen) { seen.report.lanes.clear(); },
     {.tone = Tone::kBusy,
      .headline = "Well, and without work",
      .doing = "No partition is assigned to this instance.",
      .advice = "Nothing to do if other instances have them; otherwise check KAFKA_TOPICS."}},
    {"hangs",
     [](Observation& seen) { seen.report.last_turn = seen.now - seconds(31); },
     {.tone = Tone::kBad,
      .headline = "The service hangs",
      .doing = "the polling loop has not turned for 31 s: restart",
      .advice = "Restart it: what is not written is read again."}},
    {"unwell",
     [](Observation& seen) {
       seen.health.healthy = false;
       seen.health.reasons = {"topic trips holds records"};
     },
     {.tone = Tone::kBad,
      .headline = "Not well",
      .doing = "topic trips holds records",
      .advice = "Look at the last errors below."}},
};

INSTANTIATE_TEST_SUITE_P(Each, Verdicts, testing::ValuesIn(k_cases));

TEST(Verdict, ALongMessageIsCutBetweenCharacters) {
  Observation seen = well();
  seen.report.lanes[0].failures = 1;
  std::string message = "trips: x";
  while (message.size() < 300) message += "é";
  seen.troubles = {{.at = 1, .message = message}};
  const std::string said = verdict_of(seen).doing;
  EXPECT_EQ(said, message.substr(0, 200) + " …");
}

TEST(Verdict, WithALongIntervalNothingIsLateBeforeItsBatchIsDue) {
  Observation seen = well();
  seen.facts.batch_interval = minutes(10);
  // Written every ten minutes: until then the lag grows.
  const auto grows = [](std::int64_t i) { return 500 * (1 + i % 60); };
  set_lag(seen, grows);
  set_age(seen, seconds(661));
  EXPECT_EQ(verdict_of(seen).headline, "All is well");
  // At 50 rows a second 33,000 are copied in 660 s.
  set_lag(seen, [&](std::int64_t i) { return grows(i) + 33'000; });
  EXPECT_EQ(verdict_of(seen).headline, "Behind");
  set_age(seen, seconds(660));
  EXPECT_EQ(verdict_of(seen).headline, "All is well");
  set_age(seen, seconds(661));

  set_lag(seen, [&](std::int64_t i) { return grows(i) + 500 * i; });
  EXPECT_EQ(verdict_of(seen).headline, "Behind, and falling further behind");
  set_lag(seen, [&](std::int64_t i) { return grows(i) + 500 * (460 - i); });
  EXPECT_EQ(verdict_of(seen).headline, "Catching up");

  set_lag(seen, grows);
  seen.facts.batch_interval = seconds(10);
  EXPECT_NE(verdict_of(seen).headline, "All is well");
}

TEST(Verdict, WhatMightBeLostComesBeforeWhatIsStopped) {
  Observation seen = well();
  stop_a_partition(seen);
  only_partition(seen).loses_data_in = minutes(5);
  EXPECT_EQ(verdict_of(seen).headline, "Records will be lost in about 5 min");
}

}  // namespace
}  // namespace bronze::observe
