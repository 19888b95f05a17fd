#include "ingest/schema_fetches.h"

#include <gtest/gtest.h>

#include "fakes/fake_clock.h"
#include "fakes/fake_validator.h"
#include "fakes/manual_executor.h"

namespace bronze::ingest {
namespace {

TEST(SchemaFetchesTest, OfAllLanesOneRunsAtATime) {
  fakes::ManualExecutor executor;
  fakes::FakeClock clock;
  EventLog log(clock);
  fakes::FakeValidator validator(0, [] { return false; });
  SchemaFetches first("a", 0, {executor, clock, log, &validator});
  SchemaFetches second("b", 1, {executor, clock, log, &validator});
  for (SchemaFetches* fetches : {&first, &second}) {
    fetches->wait_for(1, Partition{0});
    fetches->wait_for(2, Partition{1});
    fetches->step();
  }
  EXPECT_EQ(executor.waiting(k_schema_strand), 4U);
  EXPECT_EQ(executor.strands(), 1U) << "a registry that does not answer blocks one worker";
}

TEST(SchemaFetchesTest, WhatNobodyWaitsForAnyMoreIsNotAskedForAgain) {
  fakes::ManualExecutor executor;
  fakes::FakeClock clock;
  EventLog log(clock);
  fakes::FakeValidator validator(0, [] { return false; });
  SchemaFetches fetches("a", 0, {executor, clock, log, &validator});
  fetches.wait_for(1, Partition{0});
  fetches.wait_for(2, Partition{1});
  const auto since = fetches.waiting_since();
  fetches.step();
  ASSERT_TRUE(
      fetches.take({.id = 1, .outcome = {decode::FetchStatus::kUnavailable, "no answer"}}).empty());

  fetches.keep_waiting({Partition{1}});
  EXPECT_EQ(fetches.waiting_since(), since);
  EXPECT_FALSE(fetches.empty());
  EXPECT_EQ(fetches.take({.id = 2, .outcome = {decode::FetchStatus::kFetched, ""}}),
            std::set{Partition{1}});

  EXPECT_TRUE(fetches.empty());
  EXPECT_EQ(fetches.waiting_since(), std::nullopt);
  EXPECT_EQ(fetches.trouble(), "");
}

}  // namespace
}  // namespace bronze::ingest
