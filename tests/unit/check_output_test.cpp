#include "commands/check_output.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace bronze::commands {
namespace {

CheckReport sample() {
  CheckReport report;
  report.settings = {
      {.variable = "KAFKA_TOPICS", .value = "trips", .source = "environment"},
      {.variable = "AWS_SECRET_ACCESS_KEY", .value = "***", .source = "environment"}};
  report.configuration = {{Level::kWarning, "configuration", "AWS_PROFILE is set", ""}};
  report.kafka.reachable = true;
  report.kafka.cluster_id = "c1";
  report.kafka.brokers = {{.id = 1, .address = "kafka:29092"}};
  report.kafka.group = "group";
  report.kafka.group_state = "Empty";
  report.kafka.findings = {{Level::kOk, "cluster", "c1, 1 broker", ""}};
  report.store.base_uri = "s3://lake";
  report.store.put_if_absent = true;
  report.store.findings = {{Level::kOk, "store", "s3://lake: writable", ""}};
  TopicReport& topic = report.topics.emplace_back();
  topic.topic = "trips";
  topic.exists = true;
  topic.id = "uuid";
  topic.table.directory = "bronze_trips";
  topic.table.state = TableReport::State::kPresent;
  topic.table.registry = TableReport::Registry::kSameTopic;
  topic.table.version = 7;
  topic.table.id = "table-id";
  topic.lag = 50;
  PartitionReport& partition = topic.partitions.emplace_back();
  partition.level = Level::kProblem;
  partition.progress = Offset{150};
  partition.earliest = Offset{160};
  partition.latest = Offset{200};
  partition.lag = 50;
  partition.reason = "data loss";
  topic.findings = {{Level::kProblem, "partition 0", "data\nloss", "Move the table away"}};
  return report;
}

std::string text_of(const CheckReport& report) {
  std::ostringstream out;
  print_text(report, out);
  return out.str();
}

TEST(CheckText, IsOneLineForEachFinding) {
  EXPECT_EQ(text_of(sample()),
            "configuration\n"
            "  ok       KAFKA_TOPICS          trips  (environment)\n"
            "  ok       AWS_SECRET_ACCESS_KEY ***  (environment)\n"
            "  warning  configuration AWS_PROFILE is set\n"
            "Kafka\n"
            "  ok       cluster       c1, 1 broker\n"
            "store\n"
            "  ok       store         s3://lake: writable\n"
            "topic trips, lag 50\n"
            "  problem  partition 0   data loss\n"
            "                         -> Move the table away\n"
            "           partition     progress     earliest       latest          lag        group"
            "        start\n"
            "  problem          0          150          160          200           50            -"
            "            -\n"
            "1 problem, 1 warning\n");
}

TEST(CheckText, SaysWhenAllIsWell) {
  EXPECT_TRUE(text_of({}).ends_with("\nall well\n"));
  CheckReport report;
  report.store.findings = {{Level::kUnknown, "store", "no answer", ""},
                           {Level::kUnknown, "store", "no answer", ""}};
  EXPECT_TRUE(text_of(report).ends_with("\n2 open questions\n"));
}

TEST(CheckJson, HoldsEverythingUnderStableNames) {
  std::ostringstream out;
  print_json(sample(), out);
  EXPECT_EQ(out.str().find('\n'), out.str().size() - 1);
  const auto object = nlohmann::json::parse(out.str());
  EXPECT_EQ(object["verdict"], "problem");
  EXPECT_EQ(object["exit_code"], 1);
  EXPECT_EQ(
      object["configuration"]["variables"][0],
      (nlohmann::json{{"name", "KAFKA_TOPICS"}, {"value", "trips"}, {"source", "environment"}}));
  EXPECT_EQ(object["configuration"]["findings"][0]["level"], "warning");
  EXPECT_EQ(object["kafka"]["brokers"][0]["address"], "kafka:29092");
  EXPECT_EQ(object["kafka"]["group"]["name"], "group");
  EXPECT_EQ(object["store"]["put_if_absent"], true);
  const auto& topic = object["topics"][0];
  EXPECT_EQ(topic["table"]["state"], "present");
  EXPECT_EQ(topic["table"]["registry"], "same_topic");
  EXPECT_EQ(topic["table"]["version"], 7);
  EXPECT_EQ(topic["lag"], 50);
  EXPECT_EQ(topic["partitions"][0]["progress"], 150);
  EXPECT_EQ(topic["partitions"][0]["start"], nullptr);
  EXPECT_EQ(topic["findings"][0]["advice"], "Move the table away");
}

TEST(CheckJson, OfBytesThatAreNotUtf8IsStillJson) {
  CheckReport report = sample();
  report.kafka.group = "\xff";
  std::ostringstream out;
  print_json(report, out);
  EXPECT_TRUE(nlohmann::json::accept(out.str()));
}

TEST(CheckJson, OfARefusedConfigurationNamesEveryVariable) {
  std::ostringstream out;
  print_json(std::vector<config::ConfigError>{{"A", "a"}, {"B", "b"}}, out);
  const auto object = nlohmann::json::parse(out.str());
  EXPECT_EQ(object["verdict"], "bad_configuration");
  EXPECT_EQ(object["exit_code"], 2);
  EXPECT_EQ(object["configuration"]["errors"][1],
            (nlohmann::json{{"name", "B"}, {"message", "b"}}));
  EXPECT_EQ(object["kafka"], nullptr);
}

}  // namespace
}  // namespace bronze::commands
