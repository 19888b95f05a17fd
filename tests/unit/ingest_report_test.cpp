#include <gtest/gtest.h>

#include "unit/ingest_of_one_topic.h"

namespace bronze::ingest {
namespace {

using Kind = fakes::LogRecord::Kind;

/// What the loop tells.
class IngestReports : public IngestOfOneTopic {
 protected:
  void produce(int records) {
    for (int i = 0; i < records; ++i) IngestOfOneTopic::produce({Kind::kValue});
  }
};

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
