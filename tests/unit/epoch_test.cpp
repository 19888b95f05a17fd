#include "ingest/epoch.h"

#include <gtest/gtest.h>

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
const TopicIdentity k_old{"old-uuid", 11};
const TopicIdentity k_new{"new-uuid", 22};
const std::string k_registry = registry_app_id("g", "trips");
const std::string k_since = epoch_app_id("g", "trips", k_new.text);

std::string txn_of(const TopicIdentity& identity, Partition partition) {
  return partition_app_id("g", identity, partition);
}

/// A table of the old topic, at 50 and 60; Kafka shows the new one with 10 records a partition.
StartFacts created_again() {
  StartFacts facts;
  facts.topic = "trips";
  facts.group = "g";
  facts.identity = k_new;
  facts.all_partitions = {k_p0, k_p1};
  for (const Partition partition : facts.all_partitions) {
    facts.earliest[partition] = Offset{0};
    facts.latest[partition] = Offset{10};
  }
  facts.table.version = 9;
  facts.table.shape.id = "table-id";
  facts.table.shape.schema_json = batch::table_schema();
  facts.table.shape.partition_columns = {batch::k_partition_column};
  facts.table.txns = {
      {k_registry, k_old.number}, {txn_of(k_old, k_p0), 50}, {txn_of(k_old, k_p1), 60}};
  facts.newest_entry_is_ours = true;
  facts.now = 1'000;
  return facts;
}

StartFacts with_new_epochs() {
  StartFacts facts = created_again();
  facts.policies.topic_recreated = OnTopicRecreated::kNewEpoch;
  return facts;
}

/// The same after the registration.
StartFacts in_new_epoch() {
  StartFacts facts = with_new_epochs();
  facts.table.txns[k_registry] = k_new.number;
  facts.table.txns[k_since] = 1'000;
  facts.table.txns[txn_of(k_new, k_p0)] = 0;
  facts.table.txns[txn_of(k_new, k_p1)] = 0;
  return facts;
}

std::string halt_of(const StartFacts& facts) {
  const auto resolution = resolve(facts, {k_p0});
  const auto* halt = std::get_if<HaltTopic>(&resolution);
  return halt == nullptr ? "" : halt->reason;
}

std::optional<RegisterTopic> registration_of(const StartFacts& facts) {
  const auto resolution = resolve(facts, {k_p0});
  const auto* registration = std::get_if<RegisterTopic>(&resolution);
  return registration == nullptr ? std::nullopt : std::optional(*registration);
}

std::variant<PartitionStart, PartitionHalt> decision_of(const StartFacts& facts) {
  const auto resolution = resolve(facts, {k_p0});
  return std::get<StartDecisions>(resolution).partitions.at(k_p0);
}

testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << '"' << text << "\" does not contain \"" << part << '"';
}

TEST(Epoch, StopNamesBothTopicsWhatIsWrittenAndWhatToDo) {
  const std::string reason = halt_of(created_again());
  for (const char* part : {"created again", "old-uuid", "new-uuid", "partition 0 before offset 50",
                           "partition 1 before offset 60", "ON_TOPIC_RECREATED=new_epoch",
                           "move this one and its dead-letter table away"}) {
    EXPECT_TRUE(contains(reason, part));
  }
}

TEST(Epoch, ANewOneMovesTheRegistryAndBeginsEveryPartitionAt0) {
  const auto registration = registration_of(with_new_epochs());
  ASSERT_TRUE(registration);
  std::map<std::string, std::optional<std::int64_t>> base;
  std::map<std::string, std::int64_t> next;
  for (const auto& step : registration->steps) {
    base[step.app_id] = step.base;
    next[step.app_id] = step.next;
  }
  EXPECT_EQ(
      next,
      (std::map<std::string, std::int64_t>{
          {k_registry, 22}, {k_since, 1'000}, {txn_of(k_new, k_p0), 0}, {txn_of(k_new, k_p1), 0}}));
  EXPECT_EQ(base.at(k_registry), 11) << "a compare-and-swap: one of two instances wins";
  EXPECT_EQ(base.at(k_since), std::nullopt);
  EXPECT_EQ(base.at(txn_of(k_new, k_p0)), std::nullopt);
  EXPECT_EQ(registration->replaces, "old-uuid");
}

TEST(Epoch, AStartTimeIsLaterThanAllBefore) {
  StartFacts facts = with_new_epochs();
  facts.table.txns[epoch_app_id("g", "trips", k_old.text)] = 5'000;
  const auto registration = registration_of(facts);
  ASSERT_TRUE(registration);
  EXPECT_EQ(registration->steps.at(1).next, 5'001);
}

TEST(Epoch, AStartTimeIsLaterThanEveryRow) {
  StartFacts facts = with_new_epochs();
  facts.last_ingestion = 7'000;
  EXPECT_EQ(registration_of(facts).value().steps.at(1).next, 7'001) << "a clock was ahead";
  facts.last_ingestion = 1'000 + 3'600'000'001;
  EXPECT_EQ(registration_of(facts).value().steps.at(1).next, 1'000) << "more than an hour";
  facts.last_ingestion = 999;
  EXPECT_EQ(registration_of(facts).value().steps.at(1).next, 1'000);
}

TEST(Epoch, TheFormerTopicIsTheOneThatBeganLast) {
  StartFacts facts = with_new_epochs();
  facts.table.txns[txn_of({"first-uuid", 1}, k_p0)] = 70;
  facts.table.txns[txn_of({"zero-uuid", 1}, k_p0)] = 80;
  facts.table.txns[epoch_app_id("g", "trips", "zero-uuid")] = 100;
  facts.table.txns[epoch_app_id("g", "trips", k_old.text)] = 500;
  const auto registration = registration_of(facts);
  ASSERT_TRUE(registration);
  EXPECT_EQ(registration->replaces, "old-uuid");
}

TEST(Epoch, OnceRegisteredItIsReadFromItsOwnProgress) {
  StartFacts facts = in_new_epoch();
  EXPECT_EQ(std::get<PartitionStart>(decision_of(facts)).offset, Offset{0});
  EXPECT_EQ(epoch_start(facts), 1'000);
  facts.table.txns[txn_of(k_new, k_p0)] = 7;
  EXPECT_EQ(std::get<PartitionStart>(decision_of(facts)).offset, Offset{7});
}

TEST(Epoch, RecordsThatTheNewTopicHasLostAlreadyAreDataLoss) {
  StartFacts facts = in_new_epoch();
  facts.earliest[k_p0] = Offset{4};
  EXPECT_TRUE(contains(std::get<PartitionHalt>(decision_of(facts)).reason, "(0 to 3)"));
  facts.policies.data_loss = OnDataLoss::kSkip;
  const auto start = std::get<PartitionStart>(decision_of(facts));
  EXPECT_EQ(start.offset, Offset{4});
  EXPECT_EQ(start.gap, (OffsetRange{Offset{0}, Offset{4}}));
}

TEST(Epoch, AnOlderTopicIsNeverGoneBackTo) {
  StartFacts facts = in_new_epoch();
  facts.identity = k_old;
  const auto halt = std::get<PartitionHalt>(decision_of(facts));
  EXPECT_TRUE(halt.may_recover) << "a broker may lag behind";
  EXPECT_TRUE(contains(halt.reason, "old-uuid"));
  EXPECT_TRUE(contains(halt.reason, "new-uuid"));
}

TEST(Epoch, OffsetsOfTheOldTopicInTheGroupSkipNothingAndAreNotWaitedFor) {
  StartFacts facts = in_new_epoch();
  for (const std::string& metadata : {commit_metadata("table-id"), std::string()}) {
    facts.group_offsets[k_p0] = {Offset{50}, metadata};
    EXPECT_EQ(std::get<PartitionStart>(decision_of(facts)).offset, Offset{0});
    EXPECT_EQ(told_offset(facts, k_p0, Offset{0}), std::nullopt);
    EXPECT_EQ(told_offset(facts, k_p0, Offset{50}), Offset{50});
  }
}

TEST(Epoch, OffsetsThatAreNotOursCountInATableOfOneTopic) {
  StartFacts facts = created_again();
  facts.identity = k_old;
  facts.group_offsets[k_p0] = {Offset{55}, ""};
  EXPECT_EQ(told_offset(facts, k_p0, Offset{50}), Offset{55});
}

TEST(Epoch, RowsThatAnotherProgramMayHaveWrittenOfTheNewTopicHalt) {
  StartFacts facts = with_new_epochs();
  facts.newest_entry_is_ours = false;
  EXPECT_TRUE(registration_of(facts)) << "an OPTIMIZE of another engine is no reason";
  facts.group_offsets[k_p0] = {Offset{3}, ""};
  EXPECT_TRUE(contains(halt_of(facts), "Another program moved the offsets"));
  facts.newest_entry_is_ours = true;
  EXPECT_TRUE(registration_of(facts));
}

TEST(Epoch, TheSameAfterwards) {
  StartFacts facts = in_new_epoch();
  facts.group_offsets[k_p0] = {Offset{3}, ""};
  EXPECT_EQ(halt_of(facts), "");
  facts.newest_entry_is_ours = false;
  EXPECT_TRUE(contains(halt_of(facts), "older topic of this name"));
}

// --- brokers without topic ids -------------------------------------------------------------------

StartFacts without_ids(const std::string& cluster) {
  StartFacts facts = with_new_epochs();
  facts.identity = {cluster + ":trips", 0};
  facts.table.txns = {{k_registry, 0}, {txn_of({"east:trips", 0}, k_p0), 5}};
  return facts;
}

TEST(EpochWithoutIds, TheSameClusterIsTheSameTopic) {
  EXPECT_EQ(std::get<PartitionStart>(decision_of(without_ids("east"))).offset, Offset{5});
}

TEST(EpochWithoutIds, AnotherClusterIsAnotherTopicThoughTheRegistryCannotTell) {
  const auto registration = registration_of(without_ids("west"));
  ASSERT_TRUE(registration);
  EXPECT_EQ(registration->replaces, "east:trips");
  StartFacts facts = without_ids("west");
  facts.policies.topic_recreated = OnTopicRecreated::kStop;
  EXPECT_TRUE(contains(halt_of(facts), "west:trips"));
}

TEST(EpochWithoutIds, APositionBeyondTheEndMayBeACreationToo) {
  StartFacts facts = without_ids("east");
  facts.latest[k_p0] = Offset{4};
  const auto halt = std::get<PartitionHalt>(decision_of(facts));
  EXPECT_TRUE(halt.may_recover);
  for (const char* part : {"truncated", "created again", "before offset 5", "ends at 4"}) {
    EXPECT_TRUE(contains(halt.reason, part));
  }
}

TEST(EpochWithoutIds, BrokersThatBeginOrCeaseToTellIdsCannotBeCompared) {
  StartFacts facts = without_ids("east");
  facts.identity = k_new;
  EXPECT_TRUE(contains(halt_of(facts), "cannot be told"));
  facts = with_new_epochs();
  facts.identity = {"east:trips", 0};
  EXPECT_TRUE(contains(halt_of(facts), "cannot be told"));
}

}  // namespace
}  // namespace bronze::ingest
