#include "commands/status_text.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "fakes/observations.h"
#include "observe/status.h"

namespace bronze::commands {
namespace {

using Json = nlohmann::json;
using observe::Observation;
using observe::only_partition;
using observe::well;
using std::chrono::milliseconds;
using std::chrono::seconds;

Json document_of(const Observation& seen) { return *parse_status(observe::status_json(seen)); }

std::string text_of(const std::vector<StyledLine>& lines, Colours colours = Colours::kOff) {
  std::string text;
  for (const StyledLine& line : lines) text += written(line, colours) + "\n";
  return text;
}

std::string text_of(const Json& document, const StatusView& view = {}) {
  return text_of(status_lines(document, nullptr, view));
}

/// What text_of adds to this is that of all services.
Observation busy() {
  Observation seen = well();
  seen.facts.batch_interval = seconds(10);
  seen.facts.memory_budget_bytes = 268'435'456;
  seen.resident_bytes = 113'246'208;
  seen.report.held_bytes = 12'582'912;
  seen.report.rebalances = 3;
  seen.store.last_answer = milliseconds(1'750);
  seen.health.healthy = true;
  auto& lane = seen.report.lanes[0];
  lane.rows_committed = 3'000'000;
  lane.bytes_committed = 650'000'000;
  lane.messages_consumed = 3'000'042;
  lane.checkpoints = 4;
  lane.writes.retries = 2;
  lane.writes.files = 5;
  lane.last_commit = {.at = seen.wall - 3'250'000,
                      .version = 4'211,
                      .rows = 12'480,
                      .bytes = 2'700'160,
                      .token = "0b6f2a7c",
                      .took = milliseconds(184)};
  seen.history.steps.assign(6, {.rows = 50'000, .bytes = 10'485'760, .lag = 30});
  return seen;
}

TEST(StatusText, ABusyService) {
  EXPECT_EQ(
      text_of(document_of(busy())),
      "bronze 1.2.3   group group   started 1 min 0 s ago   22:13:20 UTC\n"
      "\n"
      "All is well\n"
      "Copying 1 topic at 5,000 rows a second, nothing is late. 10 records went to the dead "
      "letters "
      "since the start.\n"
      "Nothing to do.\n"
      "\n"
      "state         healthy   ready   alive\n"
      "Kafka         answers   last 2 s ago   kafka:9092   rebalances 3\n"
      "store         answers   last 1.8 s ago   s3://bucket\n"
      "memory        108.0 MiB resident   12.0 MiB in batches   256.0 MiB limit   intake open\n"
      "partitions    1 assigned   0 paused   0 stopped   batches every 10 s\n"
      "rows          3,000,000   5,000 a second in the last 60 s\n"
      "bytes         619.9 MiB   1.0 MiB a second in the last 60 s\n"
      "consumed      3,000,042\n"
      "lag           30\n"
      "writes        commits 3   retries 2   files 5   checkpoints 4\n"
      "dead letters  10   10 ENCODING_ERROR\n"
      "\n"
      "topic  state    lag  behind by  unwritten  last commit  dead letters       rows      bytes\n"
      "trips  copying   30        5 s        4 s      3 s ago            10  3,000,000  619.9 "
      "MiB\n");
}

TEST(StatusText, AnIdleService) {
  Observation seen = well();
  only_partition(seen).committed = Offset{130};
  seen.report.lanes[0].oldest_unwritten.reset();
  const std::string text = text_of(document_of(seen));
  EXPECT_NE(text.find("\nEverything is in the tables, and nothing new arrives."),
            std::string::npos);
  EXPECT_NE(text.find("\ntrips  waiting    0        0 s        0 s            -  "),
            std::string::npos)
      << text;
}

TEST(StatusText, AFailingStore) {
  Observation seen = busy();
  seen.store = {.unanswered = seconds(9), .last_answer = seconds(48)};
  seen.health = {.healthy = false, .reasons = {"topic trips holds records"}, .body = ""};
  seen.report.lanes[0].failures = 2;
  seen.troubles = {{.at = seen.wall - 400'000'000, .message = "trips: HTTP 503\nSlow Down"},
                   {.at = seen.wall - 500'000'000, .message = "Kafka: gone"}};
  const std::string text = text_of(document_of(seen));
  EXPECT_NE(
      text.find("\nThe store does not answer\n"
                "The store has not answered for 48 s. Records wait in Kafka, none is lost.\n"
                "Check the store of s3://bucket, the network and the keys. Writing goes on by "
                "itself.\n"
                "- topic trips holds records\n"
                "- the store at s3://bucket has not answered a request for 9 s\n"
                "- topic trips: the last 2 tries to write failed\n"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("\nstate         not healthy   not ready   alive\n"), std::string::npos);
  EXPECT_NE(text.find("\nstore         does not answer   last 48 s ago   s3://bucket\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\nlast errors\n"
                      "  6 min 40 s ago: trips: HTTP 503 Slow Down\n"
                      "  8 min 20 s ago: Kafka: gone\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\ntrips  failing "), std::string::npos);
  EXPECT_NE(text.find("\n    the last 2 tries to write failed\n"), std::string::npos);
}

TEST(StatusText, StoppedPartitionsAreNamedWithTheirReasons) {
  Observation seen = busy();
  auto& lane = seen.report.lanes[0];
  for (const int n : {1, 2}) {
    auto& partition = lane.partitions[Partition{n}] = only_partition(seen);
    partition.activity = ingest::PartitionActivity::kStopped;
    partition.reason = "offset " + std::to_string(n) + ": data loss";
    lane.halted[Partition{n}] = partition.reason;
  }
  const std::string text = text_of(document_of(seen));
  EXPECT_NE(text.find("\n2 partitions are stopped\n1 other goes on.\n"), std::string::npos) << text;
  EXPECT_NE(text.find("3 assigned   0 paused   2 stopped"), std::string::npos) << text;
  EXPECT_NE(text.find("\n    partition 1 is stopped: offset 1: data loss\n"
                      "    partition 2 is stopped: offset 2: data loss\n"),
            std::string::npos)
      << text;
}

TEST(StatusText, WhatIsAtRiskAndWhatIsNotCopied) {
  Observation seen = busy();
  only_partition(seen).loses_data_in = seconds(754);
  seen.report.refused = {{"a.b", {1, "it would share a table"}}};
  const std::string text = text_of(document_of(seen));
  EXPECT_NE(text.find("\n    loses records in about 13 min at the present rate\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\nnot copied\n  a.b: it would share a table\n"), std::string::npos) << text;
}

TEST(StatusText, ATopicIsOpenedToItsPartitions) {
  Observation seen = busy();
  seen.report.lanes.push_back(seen.report.lanes[0]);
  seen.report.lanes[1].topic = "payments";
  seen.report.lanes[0].partitions[Partition{7}] = {
      .activity = ingest::PartitionActivity::kFetchingSchema,
      .position = {},
      .committed = {},
      .end = {},
      .last_timestamp = {},
      .loses_data_in = seconds(0),
      .reason = ""};
  seen.troubles = {{.at = seen.wall - 1'000'000, .message = "trips: late"}};
  const std::string text = text_of(document_of(seen), {.topics = {"trips", "tripz"}});
  EXPECT_EQ(text.find("payments"), std::string::npos) << text;
  EXPECT_NE(text.find("\ntripz: this instance has no such topic\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\ntrips\n"
                      "table         bronze_trips\n"
                      "consumed      3,000,042\n"
                      "dead letters  10   10 ENCODING_ERROR\n"
                      "last commit   3 s ago   version 4,211   rows 12,480   2.6 MiB   took "
                      "184 ms   token 0b6f2a7c\n"
                      "last error, 1 s ago: trips: late\n"
                      "partition  state            lag  written up to  read up to  end in Kafka\n"
                      "0          reading           30            100         110           130\n"
                      "7          fetching schema    -              -           -             -\n"
                      "    has lost records\n"),
            std::string::npos)
      << text;
}

TEST(StatusText, OfOtherTopicsNothingIsSaidWhenOneIsAskedFor) {
  Observation seen = busy();
  seen.report.lanes.push_back(seen.report.lanes[0]);
  seen.report.lanes[1].topic = "payments";
  seen.report.lanes[1].failures = 2;
  seen.report.refused = {{"a.b", {1, "it would share a table"}}};
  seen.health = {.healthy = false,
                 .reasons = {"partition 0 of topic trips is stopped: data loss",
                             "partition 2 of topic payments is stopped: data loss",
                             "topic payments holds records", "topic a.b is not copied: a table",
                             "no broker has been reachable for 31 s"},
                 .body = ""};
  seen.troubles = {{.at = seen.wall, .message = "payments: late"},
                   {.at = seen.wall, .message = "trips: early", .times = 1'200},
                   {.at = seen.wall, .message = "Kafka: gone"}};
  const Json document = document_of(seen);
  const std::string text = text_of(document, {.topics = {"trips"}});
  EXPECT_NE(text.find("\n- partition 0 of topic trips is stopped: data loss\n"
                      "- no broker has been reachable for 31 s\n\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("\nlast errors\n"
                      "  0 s ago: trips: early (1,200 times)\n"
                      "  0 s ago: Kafka: gone\n\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("payments"), std::string::npos) << text;
  EXPECT_EQ(text.find("a.b"), std::string::npos) << text;
  EXPECT_NE(text_of(document).find("- topic payments holds records"), std::string::npos);
}

TEST(StatusText, TwoHundredTopicsComeWithTheTroubledOnesFirst) {
  Observation seen = observe::with_topics(200, 10);
  seen.report.lanes[150].failures = 1;
  seen.report.lanes[160].halted[Partition{3}] = "no";
  seen.report.lanes[170].partitions[Partition{1}].loses_data_in = seconds(60);
  const auto lines = status_lines(document_of(seen), nullptr, {});
  std::vector<std::string> names;
  for (const auto& line : lines) {
    if (line.size() > 1 && line[0].text.starts_with("region-")) names.push_back(line[0].text);
  }
  ASSERT_EQ(names.size(), 200U);
  EXPECT_EQ(names[0], "region-170.events");
  EXPECT_EQ(names[1], "region-160.events");
  EXPECT_EQ(names[2], "region-150.events");
  EXPECT_EQ(names[3], "region-000.events");
  EXPECT_EQ(names[199], "region-199.events");
}

TEST(StatusText, BetweenTwoLooksItTellsWhatWasTakenIn) {
  const Json before = document_of(busy());
  Observation seen = busy();
  seen.now += milliseconds(2'500);
  seen.wall += 2'500'000;
  seen.report.lanes[0].messages_consumed += 1'000;
  seen.report.lanes.push_back(seen.report.lanes[0]);
  seen.report.lanes[1].topic = "new";
  seen.report.lanes[1].messages_consumed = 9;
  const Json now = document_of(seen);

  const std::string text = text_of(status_lines(now, &before, {}));

  EXPECT_NE(text.find("\nconsumed      3,001,051   404 a second since the last look\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("619.9 MiB     400\n"), std::string::npos) << text;
  EXPECT_NE(text.find("619.9 MiB       -\n"), std::string::npos) << text;

  // A service that was started anew began at 0, whatever it says now.
  Observation anew = seen;
  anew.facts.started_at += 50'000'000;
  EXPECT_EQ(text_of(status_lines(document_of(anew), &before, {})).find("since the last look"),
            std::string::npos);
  EXPECT_EQ(text_of(status_lines(before, &before, {})).find("since the last look"),
            std::string::npos);
}

TEST(StatusText, WhatOthersWroteCannotSteerTheTerminal) {
  const std::string hostile =
      "\x1b[2Jx\r\n\x07\x7f\xc2\x9b"
      "31m\xe2\x80\xaey\xff";
  Observation seen = busy();
  seen.facts.consumer_group = hostile;
  seen.facts.kafka = hostile;
  seen.facts.store = hostile;
  seen.health = {.healthy = false, .reasons = {hostile}, .body = ""};
  seen.troubles = {{.at = seen.wall, .message = hostile + ": " + hostile}};
  seen.report.refused = {{hostile, {1, hostile}}};
  auto& lane = seen.report.lanes[0];
  lane.topic = hostile;
  lane.trouble = hostile;
  lane.last_commit->token = hostile;
  lane.dead_letters.by_type = {{hostile, 10}};
  only_partition(seen).reason = hostile;
  const Json document = document_of(seen);
  const std::string name = document["topics"][0]["topic"];
  for (const auto& topics : {std::vector<std::string>{}, {name}, {hostile}}) {
    const std::string text = text_of(document, {.topics = topics});
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      EXPECT_TRUE(byte == '\n' || (byte >= 0x20 && byte != 0x7F)) << text;
    }
    EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos);
    EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
    EXPECT_NE(text.find(" [2Jx     31m y\xef\xbf\xbd"), std::string::npos) << text;
  }
}

TEST(StatusText, EverythingFitsANarrowTerminalAndNoNumberIsCut) {
  Observation seen = busy();
  seen.report.lanes[0].topic = std::string(249, 'x');
  seen.report.lanes.push_back(busy().report.lanes[0]);
  seen.health = {.healthy = false, .reasons = {std::string(300, 'y'), "a b c"}, .body = ""};
  seen.troubles = {{.at = seen.wall, .message = "trips: what went wrong is told at some length"}};
  const Json document = document_of(seen);
  for (const std::size_t columns : {50U, 60U, 80U, 100U, 200U}) {
    const auto lines = status_lines(document, nullptr, {.topics = {"trips"}, .columns = columns});
    for (const auto& line : lines) {
      EXPECT_LE(columns_of(line), columns) << text_of({line});
    }
    const std::string text = text_of(lines);
    for (const char* fact : {"6,000,000", "6,000,084", "1.2 GiB", "108.0 MiB", "3,000,042",
                             "rows 12,480", "5,000 a second in the last 60 s"}) {
      EXPECT_NE(text.find(fact), std::string::npos) << fact << " in " << columns << "\n" << text;
    }
    EXPECT_EQ(text.find("too narrow for: ") != std::string::npos, columns < 100) << text;
  }
  const std::string all = text_of(status_lines(document, nullptr, {.columns = 60}));
  EXPECT_NE(all.find("\nxxxxxxxxxxxxxxxxxxx…  copying   30  "), std::string::npos) << all;
  EXPECT_NE(all.find("\ntoo narrow for: last commit, dead letters, rows, bytes\n"),
            std::string::npos)
      << all;
}

TEST(StatusText, ListsCanBeShort) {
  Observation seen = busy();
  seen.health.healthy = false;
  for (int i = 0; i < 9; ++i) {
    seen.health.reasons.push_back("reason " + std::to_string(i));
    seen.troubles.push_back({.at = seen.wall, .message = "error " + std::to_string(i)});
  }
  const std::string text = text_of(document_of(seen), {.lists = StatusView::Lists::kShort});
  EXPECT_NE(text.find("- reason 3\n  and 5 more\n"), std::string::npos) << text;
  EXPECT_NE(text.find("error 2\n  and 6 more\n"), std::string::npos) << text;
  const std::string whole = text_of(document_of(seen));
  EXPECT_NE(whole.find("- reason 8\n\n"), std::string::npos) << whole;
  EXPECT_NE(whole.find("error 8\n\n"), std::string::npos) << whole;
}

TEST(StatusText, WhatTheDocumentLacksIsNotKnown) {
  const auto document = parse_status(
      R"({"version": "9", "healthy": true, "topics": [7, {"topic": "a", "lag": "x"}, null]})");
  ASSERT_TRUE(document);
  const std::string text = text_of(*document, {.topics = {"a"}});
  EXPECT_NE(text.find("\nrows          -\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\na               -          -          -            -             0     -"
                      "      -\n"),
            std::string::npos)
      << text;
}

TEST(StatusText, OtherDocumentsAreNone) {
  for (const char* body : {"", "{", "[]", "7", "null", R"("x")", R"({"status": "healthy"})",
                           R"({"version": "1", "healthy": true, "topics": {}})",
                           R"({"version": "1", "healthy": "true", "topics": []})", "\xff"}) {
    EXPECT_FALSE(parse_status(body)) << body;
  }
  EXPECT_FALSE(parse_status(std::string(100'000, '[')));
}

TEST(StatusText, ColoursSayWhatIsBad) {
  Observation seen = busy();
  seen.store.unanswered = seconds(9);
  const std::string text = text_of(status_lines(document_of(seen), nullptr, {}), Colours::kOn);
  EXPECT_NE(text.find("\x1b[1;31mThe store does not answer\x1b[0m"), std::string::npos) << text;
  EXPECT_NE(text.find("\x1b[32mcopying\x1b[0m"), std::string::npos);
}

}  // namespace
}  // namespace bronze::commands
