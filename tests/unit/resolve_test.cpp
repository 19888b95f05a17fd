#include "ingest/resolve.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "batch/schema.h"
#include "ingest/app_id.h"

namespace bronze::ingest {
namespace {

constexpr Partition k_p0{0};
constexpr Partition k_p1{1};
constexpr Partition k_p2{2};
const TopicIdentity k_topic{"topic-uuid-AAAAAAAAAAA", 4711};

std::string txn_of(Partition partition) { return partition_app_id("group", k_topic, partition); }
const std::string k_registry = registry_app_id("group", "trips");

/// Topic `trips` with three partitions, each of them [100, 200) in Kafka; a table that knows
/// nothing of it yet.
StartFacts new_topic() {
  StartFacts facts;
  facts.topic = "trips";
  facts.group = "group";
  facts.identity = k_topic;
  facts.all_partitions = {k_p0, k_p1, k_p2};
  for (const Partition partition : facts.all_partitions) {
    facts.earliest[partition] = Offset{100};
    facts.latest[partition] = Offset{200};
    facts.policy[partition] = Offset{110 + number(partition)};
  }
  facts.table.version = 3;
  facts.table.shape.id = "table-id";
  facts.table.shape.schema_json = batch::table_schema();
  facts.table.shape.partition_columns = {"_ingestion_date"};
  return facts;
}

/// The same once the table knows the topic: partitions 0 to 2 go on at 150, 151 and 152.
StartFacts known_topic() {
  StartFacts facts = new_topic();
  facts.table.txns = {{k_registry, k_topic.number}};
  for (const Partition partition : facts.all_partitions) {
    facts.table.txns[txn_of(partition)] = 150 + number(partition);
  }
  return facts;
}

/// The reason of a halt of the topic; empty when the topic is not halted.
std::string halt_of(const StartFacts& facts) {
  const auto resolution = resolve(facts, {k_p0});
  const auto* halt = std::get_if<HaltTopic>(&resolution);
  return halt == nullptr ? "" : halt->reason;
}

/// What is decided for partition 0, when something is.
std::variant<PartitionStart, PartitionHalt> decision_of(const StartFacts& facts) {
  const auto resolution = resolve(facts, {k_p0});
  const auto* decisions = std::get_if<StartDecisions>(&resolution);
  if (decisions == nullptr || decisions->partitions.size() != 1) {
    ADD_FAILURE() << "no decision: " << halt_of(facts);
    return PartitionHalt{"none", false};
  }
  return decisions->partitions.at(k_p0);
}

std::optional<Offset> start_of(const StartFacts& facts) {
  const auto decision = decision_of(facts);
  const auto* start = std::get_if<PartitionStart>(&decision);
  return start == nullptr ? std::nullopt : std::optional(start->offset);
}

PartitionHalt partition_halt_of(const StartFacts& facts) {
  const auto decision = decision_of(facts);
  const auto* halt = std::get_if<PartitionHalt>(&decision);
  EXPECT_NE(halt, nullptr);
  return halt == nullptr ? PartitionHalt{} : *halt;
}

testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << '"' << text << "\" does not contain \"" << part << '"';
}

TEST(ResolveRegistry, AnUnknownTopicIsRegisteredWithANumberForEveryPartition) {
  const auto resolution = resolve(new_topic(), {k_p1});
  const auto* registration = std::get_if<RegisterTopic>(&resolution);
  ASSERT_NE(registration, nullptr);
  std::map<std::string, std::int64_t> steps;
  for (const TxnStep& step : registration->steps) {
    EXPECT_EQ(step.base, std::nullopt) << step.app_id;
    steps[step.app_id] = step.next;
  }
  EXPECT_EQ(
      steps,
      (std::map<std::string, std::int64_t>{
          {k_registry, 4711}, {txn_of(k_p0), 110}, {txn_of(k_p1), 111}, {txn_of(k_p2), 112}}));
  EXPECT_EQ(registration->steps.size(), 4U);
}

TEST(ResolveRegistry, IsTheGroupsOwn) {
  StartFacts facts = known_topic();
  facts.group = "another";
  EXPECT_TRUE(std::holds_alternative<RegisterTopic>(resolve(facts, {k_p0})));
}

TEST(ResolveRegistry, NothingIsRegisteredWhileTheOffsetsOfAPartitionAreUnknown) {
  StartFacts facts = new_topic();
  facts.policy.erase(k_p2);
  EXPECT_TRUE(contains(halt_of(facts), "offsets of partition 2"));
}

TEST(ResolveRegistry, AGroupOffsetOfThisVeryTableMeansLostStateToo) {
  StartFacts facts = new_topic();
  facts.table_has_data_files = true;
  facts.group_offsets[k_p1] = {Offset{170}, commit_metadata("table-id")};
  const std::string reason = halt_of(facts);
  for (const char* part : {"170", "partition 1", "group", "held the progress", "KAFKA_START"}) {
    EXPECT_TRUE(contains(reason, part));
  }
}

TEST(ResolveRegistry, AGroupOffsetOfAnotherTableMeansLostState) {
  StartFacts facts = new_topic();
  facts.group_offsets[k_p1] = {Offset{170}, commit_metadata("old-table")};
  const std::string reason = halt_of(facts);
  for (const char* part : {"170", "partition 1", "old-table", "table-id", "group"}) {
    EXPECT_TRUE(contains(reason, part));
  }
}

TEST(ResolveRegistry, LostStateIsSaidBeforeForeignRows) {
  StartFacts facts = new_topic();
  facts.table_has_data_files = true;
  facts.group_offsets[k_p1] = {Offset{170}, commit_metadata("old-table")};
  EXPECT_TRUE(contains(halt_of(facts), "state was lost"));
}

TEST(ResolveRegistry, GroupOffsetsThatNameNoOtherTableDoNotMatter) {
  for (const std::string& metadata :
       {std::string(), std::string("a note of somebody"), std::string("not bronze:at the front")}) {
    StartFacts facts = new_topic();
    facts.group_offsets[k_p0] = {Offset{170}, metadata};
    EXPECT_TRUE(std::holds_alternative<RegisterTopic>(resolve(facts, {k_p0}))) << metadata;
  }
}

TEST(ResolveRegistry, AGroupOffsetOfAnotherTableDoesNotMatterToATableThatKnowsTheTopic) {
  StartFacts facts = known_topic();
  facts.group_offsets[k_p0] = {Offset{170}, commit_metadata("old-table")};
  EXPECT_EQ(start_of(facts), Offset{150});
}

TEST(ResolveRegistry, ATopicThatTheTableKnewAndForgotHalts) {
  StartFacts facts = new_topic();
  facts.known_app_ids = {k_registry};
  EXPECT_TRUE(contains(halt_of(facts), "no longer knows the topic"));
}

TEST(ResolveRegistry, AnotherTopicOfTheSameNameHalts) {
  StartFacts facts = known_topic();
  facts.identity = {"another-uuid", k_topic.number + 1};
  EXPECT_TRUE(contains(halt_of(facts), "created again"));
}

TEST(ResolveTable, AnotherTableThanBeforeHalts) {
  StartFacts facts = known_topic();
  facts.known_table_id = "table-id";
  facts.group_offsets[k_p0] = {Offset{150}, commit_metadata("first-table")};
  EXPECT_EQ(halt_of(facts), "");
  facts.known_table_id = "first-table";
  EXPECT_TRUE(contains(halt_of(facts), "replaced"));
  EXPECT_TRUE(contains(halt_of(facts), "Restore the old one"));
  EXPECT_TRUE(contains(halt_of(facts), "before offset 150 of partition 0"));
  EXPECT_TRUE(contains(halt_of(facts), "first-table"));
}

TEST(ResolveTable, AnotherTableThanBeforeIsNotRegisteredEither) {
  StartFacts facts = new_topic();
  facts.known_table_id = "first-table";
  EXPECT_TRUE(contains(halt_of(facts), "replaced"));
}

TEST(ResolveTable, OneThatCannotBeWrittenHaltsKnownOrNot) {
  for (StartFacts facts : {known_topic(), new_topic()}) {
    facts.table.shape.partition_columns.clear();
    EXPECT_TRUE(contains(halt_of(facts), "partitioned by _ingestion_date"));
  }
}

TEST(ResolvePartition, GoesOnWhereTheTableStands) {
  const auto resolution = resolve(known_topic(), {k_p0, k_p2});
  const auto& decisions = std::get<StartDecisions>(resolution).partitions;
  ASSERT_EQ(decisions.size(), 2U);
  EXPECT_EQ(std::get<PartitionStart>(decisions.at(k_p0)).offset, Offset{150});
  EXPECT_EQ(std::get<PartitionStart>(decisions.at(k_p2)).offset, Offset{152});
}

TEST(ResolvePartition, NeitherGroupOffsetNorPolicyMatterOnceTheTableKnows) {
  StartFacts facts = known_topic();
  facts.group_offsets[k_p0] = {Offset{180}, commit_metadata("table-id")};
  facts.policy[k_p0] = Offset{190};
  EXPECT_EQ(start_of(facts), Offset{150});
}

TEST(ResolvePartition, BothWatermarksAreGoodPlaces) {
  StartFacts facts = known_topic();
  facts.table.txns[txn_of(k_p0)] = 100;
  EXPECT_EQ(start_of(facts), Offset{100});
  facts.table.txns[txn_of(k_p0)] = 200;
  EXPECT_EQ(start_of(facts), Offset{200});
}

TEST(ResolvePartition, ThatRetentionOvertookIsDataLoss) {
  StartFacts facts = known_topic();
  facts.table.txns[txn_of(k_p0)] = 99;
  const PartitionHalt halt = partition_halt_of(facts);
  EXPECT_FALSE(halt.may_recover);
  EXPECT_TRUE(contains(halt.reason, "data loss"));
  EXPECT_TRUE(contains(halt.reason, "99"));
  EXPECT_TRUE(contains(halt.reason, "from 100 on"));
  EXPECT_TRUE(contains(halt.reason, "1 offsets are gone"));
}

TEST(ResolvePartition, ThatRetentionOvertookGoesOnAtWhatIsLeftIfItMay) {
  StartFacts facts = known_topic();
  facts.policies.data_loss = OnDataLoss::kSkip;
  facts.table.txns[txn_of(k_p0)] = 90;
  const auto start = std::get<PartitionStart>(decision_of(facts));
  EXPECT_EQ(start.offset, Offset{100});
  EXPECT_EQ(start.gap, (OffsetRange{Offset{90}, Offset{100}}));
  EXPECT_TRUE(contains(start.reason, "10 offsets are gone (90 to 99)"));
  facts.table.txns[txn_of(k_p0)] = 100;
  EXPECT_EQ(std::get<PartitionStart>(decision_of(facts)).gap, std::nullopt);
}

TEST(ResolvePartition, AddedWithTheBeginningGoneGoesOnIfItMay) {
  StartFacts facts = known_topic();
  facts.policies.data_loss = OnDataLoss::kSkip;
  facts.table.txns.erase(txn_of(k_p0));
  const auto start = std::get<PartitionStart>(decision_of(facts));
  EXPECT_EQ(start.progress, PartitionStart::Progress::kAbsent);
  EXPECT_EQ(start.gap, (OffsetRange{Offset{0}, Offset{100}}));
}

TEST(ResolvePartition, BeyondTheHighWatermarkMayRecover) {
  StartFacts facts = known_topic();
  facts.table.txns[txn_of(k_p0)] = 201;
  const PartitionHalt halt = partition_halt_of(facts);
  EXPECT_TRUE(halt.may_recover);
  EXPECT_TRUE(contains(halt.reason, "truncated"));
  EXPECT_TRUE(contains(halt.reason, "201"));
  EXPECT_TRUE(contains(halt.reason, "ends at 200"));
  EXPECT_TRUE(contains(halt.reason, "offsets 200 to 200"));
  EXPECT_TRUE(contains(halt.reason, "move the table and its dead-letter table away"));
  facts.policies = {.data_loss = OnDataLoss::kSkip, .topic_recreated = OnTopicRecreated::kNewEpoch};
  EXPECT_TRUE(partition_halt_of(facts).may_recover) << "there is no policy for it";
}

TEST(ResolvePartition, AddedAfterRegistrationStartsAt0) {
  StartFacts facts = known_topic();
  facts.table.txns.erase(txn_of(k_p0));
  facts.earliest[k_p0] = Offset{0};
  facts.latest[k_p0] = Offset{5};
  EXPECT_EQ(start_of(facts), Offset{0});
}

TEST(ResolvePartition, AddedAfterRegistrationWithTheBeginningGoneIsDataLoss) {
  StartFacts facts = known_topic();
  facts.table.txns.erase(txn_of(k_p0));
  facts.earliest[k_p0] = Offset{3};
  EXPECT_TRUE(contains(partition_halt_of(facts).reason, "data loss"));
}

TEST(ResolvePartition, AProgressThatWasSeenAndIsGoneNeverMeans0) {
  StartFacts facts = known_topic();
  facts.known_app_ids = {k_registry, txn_of(k_p0)};
  facts.earliest[k_p0] = Offset{0};
  EXPECT_EQ(start_of(facts), Offset{150});
  facts.table.txns.erase(txn_of(k_p0));
  EXPECT_TRUE(contains(halt_of(facts), txn_of(k_p0)));
  facts.newest_entry_is_ours = false;
  facts.last_offsets[k_p0] = Offset{99};
  EXPECT_TRUE(contains(halt_of(facts), "no longer holds the progress")) << "rows do not replace it";
}

TEST(ResolvePartition, AProgressOfWhichTheGroupTellsAndThatIsGoneNeverMeans0) {
  StartFacts facts = known_topic();
  facts.table.txns.erase(txn_of(k_p0));
  facts.group_offsets[k_p0] = {Offset{150}, commit_metadata("table-id")};
  EXPECT_TRUE(contains(halt_of(facts), "everything before offset 150 of partition 0"));
  facts.group_offsets[k_p0].metadata = commit_metadata("another-table");
  EXPECT_EQ(halt_of(facts), "");
}

TEST(ResolvePartition, WithoutItsWatermarksIsAskedForAgain) {
  StartFacts facts = known_topic();
  facts.earliest.erase(k_p0);
  EXPECT_TRUE(partition_halt_of(facts).may_recover);
  facts = known_topic();
  facts.latest.erase(k_p0);
  EXPECT_TRUE(partition_halt_of(facts).may_recover);
}

TEST(ResolvePartition, OneHaltDoesNotHoldTheOthersUp) {
  StartFacts facts = known_topic();
  facts.table.txns[txn_of(k_p1)] = 7;
  const auto resolution = resolve(facts, {k_p0, k_p1});
  const auto& decisions = std::get<StartDecisions>(resolution).partitions;
  EXPECT_TRUE(std::holds_alternative<PartitionStart>(decisions.at(k_p0)));
  EXPECT_TRUE(std::holds_alternative<PartitionHalt>(decisions.at(k_p1)));
}

struct RefusalCase {
  std::string name;
  std::function<void(delta::TableShape&)> change;
  /// Empty = the table may be written.
  std::string reason;
};

std::function<void(delta::TableShape&)> schema_change(
    const std::function<void(nlohmann::ordered_json&)>& change) {
  return [change](delta::TableShape& shape) {
    auto schema = nlohmann::ordered_json::parse(shape.schema_json);
    change(schema["fields"]);
    shape.schema_json = schema.dump();
  };
}

std::function<void(delta::TableShape&)> property(const std::string& key, const std::string& value) {
  return [=](delta::TableShape& shape) { shape.configuration[key] = value; };
}

std::function<void(delta::TableShape&)> protocol(int writer, std::vector<std::string> features) {
  return [=](delta::TableShape& shape) {
    shape.min_writer_version = writer;
    shape.writer_features = features;
  };
}

const std::vector<RefusalCase>& refusal_cases() {
  using Fields = nlohmann::ordered_json;
  static const std::vector<RefusalCase> k_cases = {
      {"as we make it", [](delta::TableShape&) {}, ""},
      {"not nullable", schema_change([](Fields& f) { f[1]["nullable"] = false; }),
       "must be nullable"},
      {"column comment", schema_change([](Fields& f) { f[0]["metadata"]["comment"] = "x"; }), ""},
      {"invariant", schema_change([](Fields& f) {
         f[2]["metadata"]["delta.invariants"] = R"({"expression":{"expression":"x > 0"}})";
       }),
       "column _kafka_offset has an invariant"},
      {"comment about invariants",
       schema_change([](Fields& f) { f[2]["metadata"]["comment"] = "\"delta.invariants\""; }), ""},
      {"other order", schema_change([](Fields& f) { std::swap(f[1], f[2]); }),
       "column 2 should be _kafka_partition integer"},
      {"other name", schema_change([](Fields& f) { f[0]["name"] = "raw_value"; }),
       "column 1 should be _raw_value string"},
      {"other type", schema_change([](Fields& f) { f[2]["type"] = "integer"; }),
       "column 3 should be _kafka_offset long"},
      {"type that is no string", schema_change([](Fields& f) {
         f[3]["type"] = {{"type", "array"}};
       }),
       "column 4 should be _kafka_timestamp timestamp"},
      {"column missing at the end", schema_change([](Fields& f) { f.erase(5); }),
       "column 6 should be _ingestion_date string"},
      {"column more", schema_change([](Fields& f) {
         f.push_back(f[0]);
         f.back()["name"] = "extra";
       }),
       "additional column extra"},
      {"no columns", schema_change([](Fields& f) { f.clear(); }), "column 1 should be"},
      {"no JSON", [](delta::TableShape& shape) { shape.schema_json = "{"; }, "cannot be read"},
      {"no object", [](delta::TableShape& shape) { shape.schema_json = "[]"; }, "cannot be read"},
      {"no fields", [](delta::TableShape& shape) { shape.schema_json = "{}"; }, "cannot be read"},
      {"not partitioned", [](delta::TableShape& shape) { shape.partition_columns.clear(); },
       "must be partitioned by _ingestion_date alone"},
      {"partitioned otherwise",
       [](delta::TableShape& shape) { shape.partition_columns = {"_kafka_partition"}; },
       "must be partitioned by _ingestion_date alone"},
      {"partitioned by more",
       [](delta::TableShape& shape) { shape.partition_columns.emplace_back("_kafka_partition"); },
       "must be partitioned by _ingestion_date alone"},
      {"txns that expire", property("delta.setTransactionRetentionDuration", "interval 1 day"),
       "delta.setTransactionRetentionDuration"},
      {"column mapping by name", property("delta.columnMapping.mode", "name"), "column mapping"},
      {"column mapping by id", property("delta.columnMapping.mode", "id"), "column mapping"},
      {"column mapping off", property("delta.columnMapping.mode", "none"), ""},
      {"plain writer", protocol(2, {}), ""},
      {"writer that checks constraints", protocol(3, {}), "protocol version 3"},
      {"writer version of the future", protocol(8, {"appendOnly"}), "protocol version 8"},
      {"named features, none", protocol(7, {}), ""},
      {"named features that ask nothing of us", protocol(7, {"appendOnly", "deletionVectors"}), ""},
      {"named features with invariants that no column has",
       protocol(7, {"appendOnly", "deletionVectors", "invariants"}), ""},
      {"row tracking", protocol(7, {"appendOnly", "rowTracking"}), "writer feature rowTracking"},
      {"features of an old protocol do not count", protocol(2, {"rowTracking"}), ""},
      {"other properties", property("delta.checkpointInterval", "10"), ""},
  };
  return k_cases;
}

TEST(RefusalOf, EveryKindOfTable) {
  for (const auto& [name, change, reason] : refusal_cases()) {
    delta::TableShape shape = new_topic().table.shape;
    change(shape);
    const auto refusal = refusal_of(shape);
    EXPECT_EQ(refusal.has_value(), !reason.empty()) << name << ": " << refusal.value_or("-");
    EXPECT_TRUE(contains(refusal.value_or(""), reason)) << name;
  }
}

TEST(CommitMetadata, NamesTheTable) { EXPECT_EQ(commit_metadata("id"), "bronze:id"); }

}  // namespace
}  // namespace bronze::ingest
