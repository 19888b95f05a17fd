#include <gtest/gtest.h>

#include "unit/ingest_of_one_topic.h"

namespace bronze::ingest {
namespace {

using Kind = fakes::LogRecord::Kind;

/// What the loop tells of the one partition.
class IngestReports : public IngestOfOneTopic {
 protected:
  void produce(int records) {
    for (int i = 0; i < records; ++i) IngestOfOneTopic::produce({Kind::kValue});
  }
  [[nodiscard]] PartitionReport partition() const { return report().partitions.at(k_p0); }
};

TEST_F(IngestReports, TheLagOfAStoppedPartitionGrows) {
  begin();
  IngestOfOneTopic::produce({Kind::kValue, Kind::kInvalidUtf8});
  pass(5s);
  ASSERT_NE(halted(), "");
  EXPECT_EQ(partition().lag(), 1);
  produce(100);
  pass(12s);
  EXPECT_EQ(partition().lag(), 101);
}

TEST_F(IngestReports, TheLagOfAPausedPartitionGrows) {
  bool fails = false;
  hooks_.put_fault = [&] {
    return fails ? fakes::PutFault::kNothingLanded : fakes::PutFault::kNone;
  };
  begin();
  pass(2s);
  fails = true;
  for (int i = 0; i < 20; ++i) {
    produce(1);
    pass(1s);
  }
  ASSERT_EQ(partition().activity, PartitionActivity::kPaused);
  produce(100);
  pass(12s);
  EXPECT_EQ(partition().lag(), 120);
}

TEST_F(IngestReports, TheLagOfAPartitionThatIsStoppedAtItsStartIsKnown) {
  begin();
  produce(50);
  pass(5s);
  produce(1'000);
  cluster_.delete_records("t", k_p0, 100);
  begin();
  pass(5s);
  ASSERT_NE(halted(), "");
  EXPECT_EQ(partition().committed, Offset{50});
  EXPECT_EQ(partition().position, Offset{50});
  EXPECT_EQ(partition().lag(), 1'000);
  produce(7);
  pass(12s);
  EXPECT_EQ(partition().lag(), 1'007);
  pass(1min);
  EXPECT_EQ(partition().loses_data_in, Duration{}) << "they are gone";
}

TEST_F(IngestReports, TheLagOfAPartitionThatIsStoppedAtItsFirstRecordIsKnown) {
  begin();
  IngestOfOneTopic::produce({Kind::kInvalidUtf8, Kind::kValue});
  pass(5s);
  ASSERT_NE(halted(), "");
  EXPECT_EQ(partition().committed, Offset{0});
  EXPECT_EQ(partition().lag(), 2);
}

TEST_F(IngestReports, ATopicThatWasCreatedAgainHasItsOwnEnd) {
  settings_.policies = {.topic_recreated = OnTopicRecreated::kNewEpoch};
  begin();
  IngestOfOneTopic::produce({Kind::kValue, Kind::kInvalidUtf8});
  produce(100);
  pass(20s);
  ASSERT_NE(halted(), "");
  cluster_.recreate_topic("t");
  produce(5);
  pass(1min);
  ASSERT_EQ(halted(), "");
  EXPECT_EQ(partition().end, Offset{5});
  EXPECT_EQ(partition().lag(), 0);
}

TEST_F(IngestReports, KafkaIsAskedForEndsOnlyWhereNothingIsReadAndWhileItAnswers) {
  begin();
  produce(3);
  pass(10s);
  const int before = source_.end_requests;
  pass(1min);
  EXPECT_EQ(source_.end_requests, before);
  IngestOfOneTopic::produce({Kind::kInvalidUtf8});
  pass(61s);
  EXPECT_NEAR(source_.end_requests - before, 6, 1);
  source_.lookups_fail = true;
  pass(15s);
  const int down = source_.end_requests;
  pass(1min);
  EXPECT_EQ(source_.end_requests, down);
}

TEST_F(IngestReports, WhatHappensIsToldSoonAndAnIdleServiceSleeps) {
  begin();
  produce(3);
  pass(15s);
  source_.waited = [&](std::chrono::milliseconds wait) { clock_.advance(wait); };
  const auto turn = [&] {
    ASSERT_TRUE(ingest_->turn());
    executor_.run_all();
  };
  for (int event = 0; event < 2; ++event) {
    source_.push(kafka::Assigned{});
    turn();
  }
  const SteadyTime happened = clock_.now();
  while (board_.latest().rebalances < 3) turn();
  EXPECT_LE(clock_.now() - happened, 200ms);
  int turns = 0;
  for (const SteadyTime end = clock_.now() + 1min; clock_.now() < end; ++turns) turn();
  EXPECT_LT(turns, 40) << "each look at a topic is a request, an answer and a report";
}

}  // namespace
}  // namespace bronze::ingest
