#include "commands/check_judgement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "batch/schema.h"
#include "ingest/app_id.h"
#include "ingest/resolve.h"

namespace bronze::commands {
namespace {

using delta::StoreStatus;
using kafka::Trouble;

constexpr Partition k_p0{0};
constexpr Partition k_p1{1};
const TopicIdentity k_topic{"topic-uuid-AAAAAAAAAAA", 4711};

std::string txn_of(Partition partition) {
  return ingest::partition_app_id("group", k_topic, partition);
}

/// Topic `trips` of two partitions, each [100, 200) in Kafka, whose table goes on at 150 and 160.
CheckFacts healthy() {
  CheckFacts facts;
  facts.settings = {{.variable = "KAFKA_TOPICS", .value = "trips", .source = "environment"}};
  facts.bootstrap_servers = "kafka:29092";
  facts.group = "group";
  facts.base_uri = "s3://lake";
  facts.timeout = std::chrono::seconds{10};
  facts.topics = {"trips"};
  facts.kafka.cluster_id = "cluster";
  facts.kafka.brokers = {{.id = 1, .address = "kafka:29092"}};
  facts.kafka.group.state = "Empty";
  kafka::TopicLook& topic = facts.kafka.topics.emplace_back();
  topic.topic = "trips";
  topic.identity = k_topic;
  topic.partitions = {k_p0, k_p1};
  for (const Partition partition : topic.partitions) {
    topic.earliest[partition] = Offset{100};
    topic.latest[partition] = Offset{200};
  }
  facts.store.probe = delta::StoreOutcome{};
  TableLook& table = facts.store.tables.emplace_back();
  table.loaded = delta::StoreOutcome{};
  table.view.version = 7;
  table.view.shape.id = "table-id";
  table.view.shape.schema_json = batch::table_schema();
  table.view.shape.partition_columns = {batch::k_partition_column};
  table.view.txns = {{ingest::registry_app_id("group", "trips"), k_topic.number},
                     {txn_of(k_p0), 150},
                     {txn_of(k_p1), 160}};
  return facts;
}

kafka::TopicLook& topic_of(CheckFacts& facts) { return facts.kafka.topics.front(); }
TableLook& table_of(CheckFacts& facts) { return facts.store.tables.front(); }

void remove_table(CheckFacts& facts) {
  table_of(facts) = {.loaded = delta::StoreOutcome{StoreStatus::kMissing, "no table"},
                     .view = {},
                     .has_data_files = false,
                     .last_offsets = {}};
}

/// What the findings of a level say, one a line, with their advice.
std::string said(const CheckReport& report, Level level) {
  std::string text;
  const auto add = [&](const std::vector<Finding>& findings) {
    for (const auto& finding : findings) {
      if (finding.level != level) continue;
      text += finding.subject + ": " + finding.message + " -> " + finding.advice + "\n";
    }
  };
  add(report.configuration);
  add(report.kafka.findings);
  add(report.store.findings);
  for (const auto& topic : report.topics) add(topic.findings);
  return text;
}

testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << '"' << text << "\" does not contain \"" << part << '"';
}

TEST(CheckJudgement, AllWell) {
  const auto report = judge(healthy());
  EXPECT_EQ(exit_code(report), 0);
  EXPECT_EQ(count_of(report, Level::kWarning), 0U);
  ASSERT_EQ(report.topics.size(), 1U);
  const TopicReport& topic = report.topics.front();
  EXPECT_EQ(topic.exists, true);
  EXPECT_EQ(topic.id, k_topic.text);
  EXPECT_EQ(topic.table.directory, "bronze_trips");
  EXPECT_EQ(topic.table.state, TableReport::State::kPresent);
  EXPECT_EQ(topic.table.registry, TableReport::Registry::kSameTopic);
  EXPECT_EQ(topic.table.version, 7U);
  EXPECT_EQ(topic.lag, 90);
  ASSERT_EQ(topic.partitions.size(), 2U);
  EXPECT_EQ(topic.partitions[0].progress, Offset{150});
  EXPECT_EQ(topic.partitions[0].start, Offset{150});
  EXPECT_EQ(topic.partitions[0].lag, 50);
  EXPECT_EQ(topic.partitions[0].level, Level::kOk);
}

TEST(CheckJudgement, AWarningOfTheConfigurationIsNoProblem) {
  CheckFacts facts = healthy();
  facts.warnings = {"AWS_PROFILE is set"};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 0);
  EXPECT_TRUE(contains(said(report, Level::kWarning), "AWS_PROFILE is set"));
}

TEST(CheckJudgement, APatternTellsWhatItMatches) {
  CheckFacts facts = healthy();
  facts.patterns = {"^t"};
  facts.match = TopicMatch{.of_pattern = {{"^t", {"trips"}}}, .topics = {}, .refused = {}};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 0);
  ASSERT_EQ(report.kafka.patterns.size(), 1U);
  EXPECT_EQ(report.kafka.patterns[0].topics, std::vector<std::string>{"trips"});
  EXPECT_TRUE(contains(said(report, Level::kOk), "^t: 1 topic matches now"));
}

TEST(CheckJudgement, APatternThatMatchesNothingIsAWarning) {
  CheckFacts facts = healthy();
  facts.patterns = {"^x"};
  facts.match = TopicMatch{.of_pattern = {{"^x", {}}}, .topics = {}, .refused = {}};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 0);
  EXPECT_TRUE(contains(said(report, Level::kWarning), "^x: no topic matches now"));
}

TEST(CheckJudgement, WhatAPatternMatchesIsUnknownWhenKafkaDoesNotTellItsTopics) {
  CheckFacts facts = healthy();
  facts.patterns = {"^x"};
  facts.kafka.list_trouble = {Trouble::Kind::kUnreachable, "Local: Timed out"};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 3);
  EXPECT_FALSE(report.kafka.patterns[0].topics.has_value());
  EXPECT_TRUE(contains(said(report, Level::kUnknown), "Timed out"));
}

TEST(CheckJudgement, AMatchedTopicWithoutATableOfItsOwnIsAProblem) {
  CheckFacts facts = healthy();
  facts.patterns = {"^t"};
  facts.match = TopicMatch{.of_pattern = {{"^t", {"trips"}}},
                           .topics = {"trips"},
                           .refused = {{"trips", "it would share a table"}}};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 1);
  EXPECT_TRUE(contains(said(report, Level::kProblem), "not copied: it would share a table"));
  EXPECT_FALSE(report.topics[0].partitions[0].start.has_value());
}

TEST(CheckJudgement, AnAbsentTableBeginsWhereTheStartPolicySays) {
  CheckFacts facts = healthy();
  remove_table(facts);
  facts.start = StartLatest{};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 0) << said(report, Level::kProblem);
  const TopicReport& topic = report.topics.front();
  EXPECT_EQ(topic.table.state, TableReport::State::kAbsent);
  EXPECT_EQ(topic.table.registry, TableReport::Registry::kAbsent);
  EXPECT_EQ(topic.partitions[1].start, Offset{200});
  EXPECT_EQ(topic.partitions[1].progress, std::nullopt);
  EXPECT_EQ(topic.lag, 0);
  EXPECT_TRUE(contains(said(report, Level::kOk), "KAFKA_START"));
}

TEST(CheckJudgement, AnAbsentTableWhoseGroupHasOffsetsOfAnotherTableIsAProblem) {
  CheckFacts facts = healthy();
  remove_table(facts);
  topic_of(facts).group_offsets[k_p0] = {Offset{150}, ingest::commit_metadata("old-table")};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 1);
  EXPECT_TRUE(contains(said(report, Level::kProblem), "belongs to another table (old-table"));
  EXPECT_EQ(report.topics.front().partitions[0].group_offset, Offset{150});
}

TEST(CheckJudgement, RowsOfAnotherProgramAreTakenOverIfTheGroupHasOffsets) {
  CheckFacts facts = healthy();
  table_of(facts).view.txns.clear();
  table_of(facts).has_data_files = true;
  table_of(facts).last_offsets = {{k_p0, Offset{150}}};
  topic_of(facts).group_offsets.clear();
  EXPECT_EQ(exit_code(judge(facts)), 1);
  topic_of(facts).group_offsets[k_p0] = {Offset{120}, ""};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 0) << said(report, Level::kProblem);
  EXPECT_EQ(report.topics.front().partitions[0].start, Offset{151});
  EXPECT_TRUE(contains(said(report, Level::kOk), "taken over"));
}

TEST(CheckJudgement, RowsThatAnotherProgramWroteSinceMoveTheStart) {
  CheckFacts facts = healthy();
  table_of(facts).last_offsets = {{k_p0, Offset{169}}};
  EXPECT_EQ(exit_code(judge(facts)), 1) << "nothing shows that it copied what lies before";
  topic_of(facts).group_offsets[k_p0] = {Offset{160}, ""};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 0) << said(report, Level::kProblem);
  const auto& partitions = report.topics.front().partitions;
  EXPECT_EQ(partitions[0].start, Offset{170});
  EXPECT_EQ(partitions[0].lag, partitions[0].latest->value - 170);
  EXPECT_EQ(partitions[1].start, Offset{160});
  EXPECT_EQ(partitions[1].reason, "the table's progress");
  EXPECT_TRUE(contains(said(report, Level::kOk), "another program wrote to the table since"));
}

TEST(CheckJudgement, AReCreatedTopicIsAProblem) {
  CheckFacts facts = healthy();
  topic_of(facts).identity = {"another-uuid", 42};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 1);
  EXPECT_EQ(report.topics.front().table.registry, TableReport::Registry::kOtherTopic);
  EXPECT_TRUE(contains(said(report, Level::kProblem), "created again"));
  EXPECT_EQ(report.topics.front().partitions[0].start, std::nullopt);
  EXPECT_EQ(report.topics.front().lag, std::nullopt);
}

TEST(CheckJudgement, AReCreatedTopicThatThePolicyAllowsIsAWarning) {
  CheckFacts facts = healthy();
  facts.policies.topic_recreated = OnTopicRecreated::kNewEpoch;
  topic_of(facts).identity = {"another-uuid", 42};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 0);
  const std::string warnings = said(report, Level::kWarning);
  EXPECT_TRUE(contains(warnings, k_topic.text));
  EXPECT_TRUE(contains(warnings, "another-uuid"));
  EXPECT_EQ(report.topics.front().partitions[0].start, Offset{0});
}

TEST(CheckJudgement, LostDataThatThePolicyAllowsIsAWarningOfItsPartition) {
  CheckFacts facts = healthy();
  facts.policies.data_loss = OnDataLoss::kSkip;
  topic_of(facts).earliest[k_p0] = Offset{155};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 0);
  EXPECT_TRUE(contains(said(report, Level::kWarning), "partition 0: data loss"));
  EXPECT_EQ(report.topics.front().partitions[0].start, Offset{155});
  EXPECT_EQ(report.topics.front().partitions[0].level, Level::kWarning);
}

TEST(CheckJudgement, LostAndTruncatedDataAreProblemsOfTheirPartition) {
  CheckFacts facts = healthy();
  topic_of(facts).earliest[k_p0] = Offset{155};
  topic_of(facts).latest[k_p1] = Offset{159};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 1);
  const std::string problems = said(report, Level::kProblem);
  EXPECT_TRUE(contains(problems, "partition 0: data loss"));
  EXPECT_TRUE(contains(problems, "5 offsets are gone (150 to 154)"));
  EXPECT_TRUE(contains(problems, "ON_DATA_LOSS=skip"));
  EXPECT_TRUE(contains(problems, "move this one and its dead-letter table away"));
  EXPECT_TRUE(contains(problems, "partition 1: the log was truncated"));
  EXPECT_TRUE(contains(problems, "failing over"));
  EXPECT_EQ(report.topics.front().partitions[1].lag, 0);
}

TEST(CheckJudgement, AForeignTableIsAProblemOfItsTopicAlone) {
  CheckFacts facts = healthy();
  CheckFacts other = healthy();
  facts.topics.emplace_back("other");
  facts.kafka.topics.push_back(topic_of(other));
  facts.kafka.topics.back().topic = "other";
  facts.store.tables.push_back(table_of(other));
  facts.store.tables.back().view.shape.partition_columns = {};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 1);
  EXPECT_EQ(count_of(report, Level::kProblem), 1U);
  EXPECT_EQ(report.topics[0].partitions[0].level, Level::kOk);
  EXPECT_EQ(report.topics[1].partitions[0].level, Level::kProblem);
  EXPECT_TRUE(contains(said(report, Level::kProblem), "bronze_other"));
}

TEST(CheckJudgement, ATopicThatIsNotThereYetIsAWarning) {
  CheckFacts facts = healthy();
  kafka::TopicLook& topic = topic_of(facts);
  topic = {};
  topic.topic = "trips";
  topic.trouble = {Trouble::Kind::kUnknownTopic, "unknown topic"};
  remove_table(facts);
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 0);
  EXPECT_EQ(report.topics.front().exists, false);
  EXPECT_TRUE(contains(said(report, Level::kWarning), "KAFKA_TOPICS"));
}

TEST(CheckJudgement, MissingRightsAreNamed) {
  CheckFacts facts = healthy();
  facts.kafka.group.may_read = kafka::Right::kMissing;
  topic_of(facts).may_read = kafka::Right::kMissing;
  auto problems = said(judge(facts), Level::kProblem);
  EXPECT_TRUE(contains(problems, "READ and DESCRIBE on the consumer group group"));
  EXPECT_TRUE(contains(problems, "READ and DESCRIBE on the topic"));

  facts = healthy();
  facts.kafka.group.trouble = {Trouble::Kind::kDenied, "not authorised"};
  topic_of(facts).group_offsets_trouble = {Trouble::Kind::kDenied, "not authorised"};
  topic_of(facts).offsets_trouble = {Trouble::Kind::kDenied, "not authorised"};
  EXPECT_EQ(count_of(judge(facts), Level::kProblem), 3U);

  facts = healthy();
  facts.kafka.trouble = {Trouble::Kind::kDenied, "authentication failed"};
  EXPECT_EQ(exit_code(judge(facts)), 1);
  EXPECT_TRUE(contains(said(judge(facts), Level::kProblem), "KAFKA_SASL_PASSWORD"));
}

TEST(CheckJudgement, AnEagerAssignorIsAWarning) {
  CheckFacts facts = healthy();
  facts.kafka.group = {.trouble = {},
                       .state = "Stable",
                       .assignor = "range",
                       .members = 2,
                       .may_read = kafka::Right::kGranted};
  EXPECT_TRUE(contains(said(judge(facts), Level::kWarning), "assignor range"));
  EXPECT_EQ(exit_code(judge(facts)), 0);
  facts.kafka.group.assignor = "cooperative-sticky";
  EXPECT_EQ(count_of(judge(facts), Level::kWarning), 0U);
  facts.kafka.group = {.trouble = {},
                       .state = "PreparingRebalance",
                       .assignor = "",
                       .members = 1,
                       .may_read = kafka::Right::kGranted};
  EXPECT_EQ(count_of(judge(facts), Level::kWarning), 0U);
}

TEST(CheckJudgement, WithoutKafkaTheRestIsStillTold) {
  CheckFacts facts = healthy();
  kafka::ClusterLook silent;
  silent.trouble = {Trouble::Kind::kUnreachable, "connection refused"};
  silent.topics.emplace_back().topic = "trips";
  facts.kafka = silent;
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 3);
  EXPECT_FALSE(report.kafka.reachable);
  EXPECT_TRUE(contains(said(report, Level::kUnknown),
                       "kafka:29092 did not answer within 10 s: connection refused"));
  EXPECT_FALSE(contains(said(report, Level::kUnknown), "tokens"));
  EXPECT_EQ(report.topics.front().exists, std::nullopt);
  EXPECT_EQ(report.topics.front().table.version, 7U);
  EXPECT_EQ(report.topics.front().table.registry, TableReport::Registry::kNotKnown);
}

TEST(CheckJudgement, WithoutKafkaTheServerOfTheTokensMayBeTheCause) {
  CheckFacts facts = healthy();
  facts.token_url = "https://t/token";
  facts.kafka.trouble = {Trouble::Kind::kUnreachable, "no answer in time"};
  const auto text = said(judge(facts), Level::kUnknown);
  EXPECT_TRUE(contains(text, "that the server of the tokens runs at https://t/token"));
  EXPECT_TRUE(contains(text, "Check that the brokers run"));
}

TEST(CheckJudgement, WithoutTheStoreTheRestIsStillTold) {
  for (const bool answered : {false, true}) {
    CheckFacts facts = healthy();
    facts.store.probe.reset();
    if (answered) facts.store.probe = {StoreStatus::kTransient, "connection refused"};
    table_of(facts) = {};
    const auto report = judge(facts);
    EXPECT_EQ(exit_code(report), 3);
    EXPECT_EQ(report.store.put_if_absent, std::nullopt);
    EXPECT_TRUE(contains(said(report, Level::kUnknown), "S3_ENDPOINT_URL"));
    EXPECT_EQ(report.topics.front().table.state, TableReport::State::kNotKnown);
    EXPECT_EQ(report.topics.front().partitions[0].latest, Offset{200});
    EXPECT_EQ(report.topics.front().partitions[0].level, Level::kUnknown);
  }
}

TEST(CheckJudgement, ATableIsNotSaidToBeAbsentWhenTheStoreRefuses) {
  for (const auto status : {StoreStatus::kMissing, StoreStatus::kDenied}) {
    CheckFacts facts = healthy();
    facts.store.probe = {status, "no"};
    remove_table(facts);
    const auto report = judge(facts);
    EXPECT_EQ(exit_code(report), 1);
    EXPECT_EQ(count_of(report, Level::kProblem), 1U);
    EXPECT_EQ(report.topics.front().table.state, TableReport::State::kNotKnown);
  }
}

TEST(CheckJudgement, AStoreThatLiesIsAProblem) {
  CheckFacts facts = healthy();
  facts.store.probe = {StoreStatus::kUnsupported, "does not honour put-if-absent"};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 1);
  EXPECT_EQ(report.store.put_if_absent, false);
  EXPECT_EQ(report.topics.front().table.version, 7U);
}

TEST(CheckJudgement, ATableMayBeUnreadableForGoodOrForNow) {
  const std::vector<std::pair<StoreStatus, int>> codes = {
      {StoreStatus::kTransient, 3}, {StoreStatus::kConflict, 3},    {StoreStatus::kDenied, 1},
      {StoreStatus::kCorrupt, 1},   {StoreStatus::kUnsupported, 1}, {StoreStatus::kFailed, 1},
  };
  for (const auto& [status, code] : codes) {
    CheckFacts facts = healthy();
    table_of(facts) = {.loaded = delta::StoreOutcome{status, "why"},
                       .view = {},
                       .has_data_files = false,
                       .last_offsets = {}};
    EXPECT_EQ(exit_code(judge(facts)), code) << static_cast<int>(status);
  }
  CheckFacts facts = healthy();
  table_of(facts) = {};
  EXPECT_EQ(exit_code(judge(facts)), 3);
}

TEST(CheckJudgement, OffsetsThatAreNotToldAreNoVerdict) {
  CheckFacts facts = healthy();
  topic_of(facts).latest.erase(k_p1);
  topic_of(facts).offsets_trouble = {Trouble::Kind::kUnreachable, "partition 1: no leader"};
  const auto report = judge(facts);
  EXPECT_EQ(exit_code(report), 3);
  EXPECT_TRUE(contains(said(report, Level::kUnknown), "partition 1: no leader"));
  EXPECT_EQ(report.topics.front().partitions[0].level, Level::kUnknown);
  EXPECT_EQ(report.topics.front().lag, std::nullopt);
}

TEST(CheckJudgement, WhatIsCertainlyWrongWins) {
  CheckFacts facts = healthy();
  facts.kafka.group.trouble = {Trouble::Kind::kUnreachable, "no coordinator"};
  EXPECT_EQ(exit_code(judge(facts)), 3);
  topic_of(facts).earliest[k_p0] = Offset{199};
  EXPECT_EQ(exit_code(judge(facts)), 1);
}

}  // namespace
}  // namespace bronze::commands
