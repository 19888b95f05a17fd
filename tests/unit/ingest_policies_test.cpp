#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "ingest/app_id.h"
#include "unit/ingest_of_one_topic.h"

namespace bronze::ingest {
namespace {

constexpr Policies k_skip{.data_loss = OnDataLoss::kSkip};
constexpr Policies k_new_epoch{.topic_recreated = OnTopicRecreated::kNewEpoch};

class IngestPolicies : public IngestOfOneTopic {
 protected:
  void TearDown() override { EXPECT_TRUE(alive_); }

  void build(const Policies& policies, std::chrono::milliseconds batch_interval = 1s) {
    settings_.policies = policies;
    settings_.writer.flush.interval = batch_interval;
    begin();
  }

  void produce(int records) {
    for (int i = 0; i < records; ++i) IngestOfOneTopic::produce({fakes::LogRecord::Kind::kValue});
  }

  [[nodiscard]] std::vector<std::string> values() const {
    std::vector<std::string> values;
    for (const auto& commit : store_.at("t").commits) {
      for (const auto& row : commit.rows) values.push_back(row.value.value_or(""));
    }
    return values;
  }
  /// Of all records of the current topic.
  [[nodiscard]] std::vector<std::string> produced() const {
    std::vector<std::string> values;
    for (const auto& record : cluster_.topic("t").partitions.at(k_p0)) {
      values.push_back(record.value);
    }
    return values;
  }
  [[nodiscard]] std::multiset<std::string> stated_gaps() const {
    std::multiset<std::string> stated;
    for (const auto& commit : store_.at("t").commits) {
      const auto found = commit.parameters.find("bronzeSkipped");
      if (found != commit.parameters.end()) stated.insert(found->second);
    }
    return stated;
  }
};

TEST_F(IngestPolicies, WhatWasReadBeforeRetentionOvertookIsWrittenAndTheRestStated) {
  build(k_skip, 1min);
  produce(5);
  pass(5s);
  ASSERT_TRUE(values().empty()) << "they are held";
  produce(10);
  cluster_.delete_records("t", k_p0, 12);
  pass(30s);
  EXPECT_EQ(values().size(), 5U) << "though Kafka does not have them any more";
  pass(2min);
  const auto all = produced();
  std::vector<std::string> left(all.begin(), all.begin() + 5);
  left.insert(left.end(), all.begin() + 12, all.end());
  EXPECT_EQ(values(), left);
  EXPECT_EQ(stated_gaps(), (std::multiset<std::string>{R"({"0":[5,12]})"}));
  EXPECT_EQ(halted(), "");
}

TEST_F(IngestPolicies, TheSameStopsWhenItIsToStopAndLosesNoRowThatItHad) {
  build({}, 1min);
  produce(5);
  pass(5s);
  produce(10);
  cluster_.delete_records("t", k_p0, 12);
  pass(2min);
  EXPECT_EQ(values().size(), 5U);
  EXPECT_NE(halted().find("7 offsets are gone (5 to 11)"), std::string::npos) << halted();
  EXPECT_TRUE(stated_gaps().empty());
}

TEST_F(IngestPolicies, AGapWithNothingBehindItIsStatedToo) {
  build(k_skip);
  produce(3);
  pass(5s);
  ingest_.reset();
  produce(4);
  cluster_.delete_records("t", k_p0, 7);
  build(k_skip);
  pass(5s);
  EXPECT_EQ(stated_gaps(), (std::multiset<std::string>{R"({"0":[3,7]})"}));
  produce(1);
  pass(5s);
  EXPECT_EQ(values().size(), 4U);
  EXPECT_EQ(stated_gaps().size(), 1U) << "once";
}

TEST_F(IngestPolicies, ALogThatEndsBeforeOurPositionKeepsWhatItHasAndHaltsAfterAWhile) {
  build(k_skip);
  produce(8);
  pass(5s);
  fakes::FakeKafka shorter = cluster_;
  shorter = fakes::FakeKafka{};
  shorter.create_topic("t", 1);
  cluster_ = shorter;
  produce(3);
  pass(20s);
  EXPECT_EQ(halted(), "") << "it may step back at a failover";
  pass(30s);
  EXPECT_NE(halted().find("truncated"), std::string::npos) << halted();
  EXPECT_EQ(values().size(), 8U);
}

/// The old topic has 10 records, which are in the table; `records` are in the new one.
class IngestNewEpoch : public IngestPolicies, public testing::WithParamInterface<int> {
 protected:
  void create_again(const Policies& policies) {
    build(policies);
    produce(10);
    pass(5s);
    old_values_ = values();
    ASSERT_EQ(old_values_.size(), 10U);
    cluster_.recreate_topic("t");
    produce(GetParam());
  }

  std::vector<std::string> old_values_;
};

TEST_P(IngestNewEpoch, TheNewTopicIsReadFromItsBeginningThoughNoRecordTellsOfIt) {
  create_again(k_new_epoch);
  pass(1min);
  auto expected = old_values_;
  for (const auto& value : produced()) expected.push_back(value);
  EXPECT_EQ(values(), expected);
  EXPECT_EQ(halted(), "");
  const auto txns = store_.at("t").txns();
  EXPECT_EQ(txns.at(partition_app_id("g", cluster_.topic("t").identity, k_p0)), GetParam());
  EXPECT_EQ(txns.at(registry_app_id("g", "t")), cluster_.topic("t").identity.number);
  const auto told = cluster_.group_offsets.at({"t", k_p0});
  EXPECT_EQ(told.offset, Offset{GetParam()}) << "lower than that of the old topic, or higher";
}

TEST_P(IngestNewEpoch, ItsRowsAreNeverOlderThanItsStart) {
  create_again(k_new_epoch);
  pass(1min);
  clock_.jump_wall(-25h);
  produce(3);
  pass(10s);
  const auto since =
      store_.at("t").txns().at(epoch_app_id("g", "t", cluster_.topic("t").identity.text));
  std::size_t later = 0;
  for (const auto& commit : store_.at("t").commits) {
    for (const auto& row : commit.rows) later += row.ingested_at >= since ? 1 : 0;
  }
  EXPECT_EQ(later, static_cast<std::size_t>(GetParam()) + 3);
}

TEST_P(IngestNewEpoch, StopHaltsItAndSaysBothIds) {
  create_again({});
  pass(1min);
  EXPECT_EQ(values(), old_values_);
  for (const char* part : {"created again", "t~1", "t~2", "before offset 10"}) {
    EXPECT_NE(halted().find(part), std::string::npos) << halted();
  }
}

INSTANTIATE_TEST_SUITE_P(ShorterAsLongAndLonger, IngestNewEpoch, testing::Values(4, 10, 25));

TEST_F(IngestPolicies, RowsOfWhichNoAnswerShowedTheTopicAreDroppedAndNamed) {
  build({}, 1min);
  pass(5s);
  produce(5);
  pass(1s);
  cluster_.recreate_topic("t");
  produce(9);
  pass(2min);
  EXPECT_TRUE(values().empty());
  EXPECT_NE(halted().find("may be of either topic"), std::string::npos) << halted();
  EXPECT_NE(halted().find("partition 0 offsets 0 to"), std::string::npos) << halted();
}

TEST_F(IngestPolicies, ATopicThatWasDeletedForAWhileGoesOnAsAnotherOne) {
  build(k_new_epoch);
  produce(6);
  pass(5s);
  cluster_.delete_topic("t");
  source_.push(kafka::Revoked{{{"t", k_p0}}, true});
  pass(30s);
  cluster_.create_topic("t", 1);
  produce(4);
  source_.push(kafka::Assigned{{{"t", k_p0}}});
  pass(30s);
  EXPECT_EQ(values().size(), 10U);
  EXPECT_EQ(halted(), "");
}

TEST_F(IngestPolicies, AnIdThatIsShownForAMomentBeginsNoEpoch) {
  build(k_new_epoch);
  produce(6);
  pass(5s);
  const fakes::FakeKafka before = cluster_;
  cluster_.recreate_topic("t");
  source_.push(kafka::PartitionReset{"t", k_p0, "offset out of range"});
  pass(1s);
  cluster_ = before;
  pass(30s);
  EXPECT_EQ(store_.at("t").txns().at(registry_app_id("g", "t")),
            cluster_.topic("t").identity.number);
  EXPECT_EQ(values().size(), 6U);
}

}  // namespace
}  // namespace bronze::ingest
