#include "ingest/take_over.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>

#include "batch/schema.h"
#include "ingest/app_id.h"

namespace bronze::ingest {
namespace {

constexpr Partition k_p0{0};
constexpr Partition k_p1{1};
constexpr Partition k_p2{2};
const TopicIdentity k_topic{"topic-uuid-AAAAAAAAAAA", 4711};

std::string txn_of(Partition partition) { return partition_app_id("group", k_topic, partition); }

/// Topic `trips` with two partitions; a table that the original filled.
StartFacts left_behind() {
  StartFacts facts;
  facts.topic = "trips";
  facts.group = "group";
  facts.identity = k_topic;
  facts.all_partitions = {k_p0, k_p1};
  for (const Partition partition : facts.all_partitions) {
    facts.earliest[partition] = Offset{100};
    facts.latest[partition] = Offset{200};
    facts.policy[partition] = Offset{100};
    facts.group_offsets[partition] = {Offset{150}, ""};
    facts.last_offsets[partition] = Offset{149};
  }
  facts.table_has_data_files = true;
  facts.table.shape.id = "table-id";
  facts.table.shape.schema_json = batch::table_schema();
  facts.table.shape.partition_columns = {"_ingestion_date"};
  return facts;
}

/// A table that bronze went on with until 150 in each partition; and then the original again, as
/// far as `left_behind` says.
StartFacts handed_back() {
  StartFacts facts = left_behind();
  facts.table.txns[registry_app_id("group", "trips")] = k_topic.number;
  for (const Partition partition : facts.all_partitions) facts.table.txns[txn_of(partition)] = 150;
  return facts;
}

struct Numbers {
  std::map<std::string, std::int64_t> next;
  std::map<std::string, std::optional<std::int64_t>> base;
  std::map<Partition, Origin> origins;
};

std::optional<Numbers> numbers_of(const StartFacts& facts) {
  const auto resolution = resolve(facts, {k_p0});
  const auto* registration = std::get_if<RegisterTopic>(&resolution);
  if (registration == nullptr) return std::nullopt;
  Numbers numbers{{}, {}, registration->origins};
  for (const auto& step : registration->steps) {
    numbers.next[step.app_id] = step.next;
    numbers.base[step.app_id] = step.base;
  }
  return numbers;
}

std::optional<std::int64_t> number_of(const StartFacts& facts, Partition partition) {
  const auto numbers = numbers_of(facts);
  if (!numbers || !numbers->next.contains(txn_of(partition))) return std::nullopt;
  return numbers->next.at(txn_of(partition));
}

std::string reason_of(const StartFacts& facts, Partition partition) {
  const auto numbers = numbers_of(facts);
  return numbers ? numbers->origins.at(partition).reason : "";
}

std::string halt_of(const StartFacts& facts) {
  const auto resolution = resolve(facts, {k_p0});
  const auto* halt = std::get_if<HaltTopic>(&resolution);
  return halt == nullptr ? "" : halt->reason;
}

testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << '"' << text << "\" does not contain \"" << part << '"';
}

TEST(TakeOver, TheGreaterOfGroupOffsetAndRowsIsTaken) {
  StartFacts facts = left_behind();
  EXPECT_EQ(number_of(facts, k_p0), 150);
  EXPECT_EQ(reason_of(facts, k_p0), "take-over: group offset");
  // Killed between its write and its commit.
  facts.last_offsets[k_p0] = Offset{169};
  EXPECT_EQ(number_of(facts, k_p0), 170);
  EXPECT_EQ(reason_of(facts, k_p0), "take-over: table's last offset + 1");
  // The last records were none that it writes.
  facts.group_offsets[k_p0].offset = Offset{180};
  EXPECT_EQ(number_of(facts, k_p0), 180);
}

TEST(TakeOver, OneCommitCoversEveryPartitionAndTheTopic) {
  const auto numbers = numbers_of(left_behind());
  ASSERT_TRUE(numbers);
  EXPECT_EQ(
      numbers->next,
      (std::map<std::string, std::int64_t>{
          {registry_app_id("group", "trips"), 4711}, {txn_of(k_p0), 150}, {txn_of(k_p1), 150}}));
  for (const auto& [app_id, base] : numbers->base) EXPECT_EQ(base, std::nullopt) << app_id;
}

TEST(TakeOver, AGroupOffsetWithoutRowsIsTaken) {
  StartFacts facts = left_behind();
  facts.last_offsets.erase(k_p0);
  EXPECT_EQ(number_of(facts, k_p0), 150);
}

TEST(TakeOver, AGroupOffsetNeedsNoPolicy) {
  StartFacts facts = left_behind();
  facts.policy.clear();
  EXPECT_EQ(number_of(facts, k_p0), 150);
  facts.group_offsets.erase(k_p1);
  facts.last_offsets.erase(k_p1);
  EXPECT_TRUE(contains(halt_of(facts), "offsets of partition 1"));
}

TEST(TakeOver, NeitherRowsNorGroupOffsetBeginsByPolicy) {
  StartFacts facts = left_behind();
  facts.last_offsets.erase(k_p1);
  facts.group_offsets.erase(k_p1);
  EXPECT_EQ(number_of(facts, k_p1), 100);
  EXPECT_EQ(reason_of(facts, k_p1), "take-over: KAFKA_START");
  EXPECT_EQ(number_of(facts, k_p0), 150);
}

TEST(TakeOver, RowsWithoutGroupOffsetHaltTheTopicAndSayWhatToDo) {
  StartFacts facts = left_behind();
  facts.group_offsets.clear();
  const std::string reason = halt_of(facts);
  for (const char* part : {"partitions 0, 1", "group", "KAFKA_START", "KAFKA_CONSUMER_GROUP"}) {
    EXPECT_TRUE(contains(reason, part));
  }
  facts = left_behind();
  facts.group_offsets.erase(k_p1);
  EXPECT_TRUE(contains(halt_of(facts), "rows of partition 1 "));
}

TEST(TakeOver, RowsWithoutGroupOffsetGoOnWhenKafkaStartIsSet) {
  StartFacts facts = left_behind();
  facts.group_offsets.clear();
  facts.start_source = StartSource::kExplicit;
  EXPECT_EQ(number_of(facts, k_p0), 150);
  EXPECT_EQ(reason_of(facts, k_p0), "take-over: table's last offset + 1");
  facts.policy[k_p0] = Offset{190};
  EXPECT_EQ(number_of(facts, k_p0), 190);
  EXPECT_EQ(reason_of(facts, k_p0), "take-over: KAFKA_START");
}

TEST(TakeOver, AnExplicitKafkaStartDoesNotOverrideTheGroup) {
  StartFacts facts = left_behind();
  facts.start_source = StartSource::kExplicit;
  facts.policy[k_p0] = Offset{190};
  EXPECT_EQ(number_of(facts, k_p0), 150);
}

TEST(TakeOver, ATableWithoutFilesBeginsByPolicyWhateverTheGroupSays) {
  StartFacts facts = left_behind();
  facts.table_has_data_files = false;
  facts.last_offsets.clear();
  EXPECT_EQ(number_of(facts, k_p0), 100);
  EXPECT_TRUE(contains(reason_of(facts, k_p0), "KAFKA_START"));
  EXPECT_TRUE(contains(reason_of(facts, k_p0), "150"));
}

TEST(TakeOver, RowsOfAPartitionThatKafkaDoesNotTellOfYetAreNotForgotten) {
  StartFacts facts = left_behind();
  facts.last_offsets[k_p2] = Offset{7};
  EXPECT_TRUE(contains(halt_of(facts), "rows of partition 2 "));
  facts.start_source = StartSource::kExplicit;
  EXPECT_EQ(number_of(facts, k_p2), 8);
}

TEST(TakeOver, WhatReachesBeyondKafkasEndIsNotTaken) {
  StartFacts facts = left_behind();
  facts.last_offsets[k_p0] = Offset{199};
  EXPECT_EQ(number_of(facts, k_p0), 200);
  // Rows of a topic that was deleted, which the original could not tell from this one.
  facts.last_offsets[k_p0] = Offset{200};
  const std::string reason = halt_of(facts);
  for (const char* part : {"201", "partition 0", "ends at 200"}) {
    EXPECT_TRUE(contains(reason, part));
  }
  facts = left_behind();
  facts.group_offsets[k_p1].offset = Offset{201};
  EXPECT_TRUE(contains(halt_of(facts), "partition 1"));
}

TEST(TakeOver, ARecordThatCameSinceKafkaToldItsEndIsAGoodKafkaStart) {
  StartFacts facts = left_behind();
  facts.last_offsets.erase(k_p0);
  facts.group_offsets.clear();
  facts.start_source = StartSource::kExplicit;
  facts.policy[k_p0] = Offset{201};
  EXPECT_EQ(number_of(facts, k_p0), 201);
}

TEST(TakeOver, RowsOfAnotherTopicOfThisNameProveNothing) {
  StartFacts facts = left_behind();
  facts.table.txns[partition_app_id("other-group", {"another-uuid", 1}, k_p0)] = 12;
  EXPECT_TRUE(contains(halt_of(facts), "another topic of this name"));
  facts = left_behind();
  facts.table.txns[partition_app_id("other-group", k_topic, k_p0)] = 12;
  EXPECT_EQ(number_of(facts, k_p0), 150);
}

TEST(TakeOver, OnlyRowsFromTheGroupsOffsetOnMatter) {
  EXPECT_EQ(offsets_that_matter(left_behind()),
            (OffsetMap{{k_p0, Offset{150}}, {k_p1, Offset{150}}}));
  StartFacts facts = handed_back();
  facts.table.txns.erase(txn_of(k_p1));
  EXPECT_EQ(offsets_that_matter(facts), (OffsetMap{{k_p0, Offset{150}}, {k_p1, Offset{0}}}));
}

TEST(AfterOthers, NothingMovesWhileRowsEndWhereOurProgressIs) {
  StartFacts facts = handed_back();
  EXPECT_FALSE(numbers_of(facts).has_value());
  EXPECT_FALSE(others_moved_the_group(facts));
}

TEST(AfterOthers, RowsBehindOurProgressMoveItFromItsOldBase) {
  StartFacts facts = handed_back();
  facts.last_offsets[k_p0] = Offset{169};
  facts.group_offsets[k_p0].offset = Offset{160};
  const auto numbers = numbers_of(facts);
  ASSERT_TRUE(numbers);
  EXPECT_EQ(numbers->next, (std::map<std::string, std::int64_t>{{txn_of(k_p0), 170}}))
      << "it died between its write and its commit";
  EXPECT_EQ(numbers->base.at(txn_of(k_p0)), 150);
  EXPECT_EQ(numbers->origins.at(k_p0).reason, "take-over: table's last offset + 1");
}

TEST(AfterOthers, RowsOfWhichNoOtherProgramToldTheGroupHaltAndSayWhatToDo) {
  StartFacts facts = handed_back();
  facts.last_offsets[k_p0] = Offset{169};
  for (auto& [partition, committed] : facts.group_offsets) {
    committed.metadata = commit_metadata("table-id");
  }
  const std::string halt = halt_of(facts);
  EXPECT_TRUE(contains(halt, "our progress is 150")) << halt;
  EXPECT_TRUE(contains(halt, "set the group's offset to 170 for partition 0")) << halt;
  facts.group_offsets.clear();
  EXPECT_EQ(halt_of(facts), halt);
}

TEST(AfterOthers, EachPartitionIsJudgedByItsOwnRowsAndOffset) {
  StartFacts facts = handed_back();
  facts.last_offsets[k_p0] = Offset{169};
  facts.group_offsets[k_p0].offset = Offset{180};
  facts.group_offsets[k_p1].offset = Offset{160};
  EXPECT_EQ(number_of(facts, k_p0), 170) << "never further than the rows";
  EXPECT_EQ(number_of(facts, k_p1), std::nullopt) << "an offset that was reset copies nothing";
}

TEST(AfterOthers, AnOffsetOfAnotherPartitionOrAtOurProgressProvesNothing) {
  StartFacts facts = handed_back();
  facts.last_offsets[k_p0] = Offset{169};
  facts.group_offsets[k_p1].offset = Offset{160};
  EXPECT_EQ(facts.group_offsets[k_p0].offset, Offset{150});
  EXPECT_TRUE(contains(halt_of(facts), "set the group's offset to 170 for partition 0"));
}

TEST(AfterOthers, AGroupOffsetWithoutRowsLosesNoRecord) {
  StartFacts facts = handed_back();
  facts.group_offsets[k_p0].offset = Offset{190};
  EXPECT_TRUE(others_moved_the_group(facts));
  EXPECT_FALSE(numbers_of(facts).has_value());
  const auto resolution = resolve(facts, {k_p0});
  const auto& start =
      std::get<PartitionStart>(std::get<StartDecisions>(resolution).partitions.at(k_p0));
  EXPECT_EQ(start.offset, Offset{150});
  EXPECT_TRUE(contains(start.reason, "190"));
}

TEST(AfterOthers, OffsetsThatWeCommittedNeverMoveOurProgress) {
  for (const char* table : {"table-id", "another-table"}) {
    StartFacts facts = handed_back();
    facts.last_offsets[k_p0] = Offset{169};
    facts.group_offsets[k_p0] = {Offset{190}, commit_metadata(table)};
    EXPECT_FALSE(others_moved_the_group(facts));
    EXPECT_TRUE(contains(halt_of(facts), "going on at 170")) << table;
  }
}

TEST(AfterOthers, APartitionThatWasAddedWhileTheOtherWorkedDoesNotBeginAt0) {
  StartFacts facts = handed_back();
  facts.table.txns.erase(txn_of(k_p1));
  const auto numbers = numbers_of(facts);
  ASSERT_TRUE(numbers);
  EXPECT_EQ(numbers->next, (std::map<std::string, std::int64_t>{{txn_of(k_p1), 150}}));
  EXPECT_EQ(numbers->base.at(txn_of(k_p1)), std::nullopt);
}

TEST(AfterOthers, RowsOfAnotherTopicOfThisNameMoveNothing) {
  StartFacts facts = handed_back();
  facts.table.txns[partition_app_id("group", {"another-uuid", 1}, k_p0)] = 12;
  facts.last_offsets[k_p0] = Offset{169};
  EXPECT_FALSE(numbers_of(facts).has_value());
  EXPECT_EQ(halt_of(facts), "");
  facts.group_offsets[k_p0].offset = Offset{170};
  EXPECT_TRUE(contains(halt_of(facts), "older topic of this name"));
}

TEST(AfterOthers, WhatReachesBeyondKafkasEndMovesNothing) {
  StartFacts facts = handed_back();
  facts.group_offsets[k_p0].offset = Offset{160};
  facts.last_offsets[k_p0] = Offset{199};
  EXPECT_EQ(number_of(facts, k_p0), 200);
  facts.last_offsets[k_p0] = Offset{200};
  const std::string reason = halt_of(facts);
  for (const char* part : {"201", "partition 0", "ends at 200"}) {
    EXPECT_TRUE(contains(reason, part));
  }
  facts = handed_back();
  facts.group_offsets[k_p1].offset = Offset{160};
  facts.last_offsets[k_p1] = Offset{170};
  facts.latest.erase(k_p1);
  EXPECT_TRUE(contains(halt_of(facts), "partition 1"));
}

TEST(AfterOthers, TheReasonIsToldOnceTheTableSaysSo) {
  StartFacts facts = handed_back();
  facts.last_offsets.clear();
  facts.group_offsets.clear();
  facts.origins = {{k_p0, {Offset{150}, "take-over: group offset"}},
                   {k_p1, {Offset{149}, "take-over: group offset"}}};
  const auto resolution = resolve(facts, {k_p0, k_p1});
  const auto& decided = std::get<StartDecisions>(resolution).partitions;
  EXPECT_EQ(std::get<PartitionStart>(decided.at(k_p0)).reason, "take-over: group offset");
  EXPECT_EQ(std::get<PartitionStart>(decided.at(k_p1)).reason, "the table's progress");
}

}  // namespace
}  // namespace bronze::ingest
