#include "ingest/schema_fetches.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "base/event_log.h"
#include "fakes/fake_clock.h"
#include "fakes/fake_validator.h"
#include "fakes/manual_executor.h"

namespace bronze::ingest {
namespace {

using Ids = std::vector<std::int32_t>;
using Partitions = std::set<Partition>;
constexpr Partition k_p0{0};
constexpr Partition k_p1{1};

class SchemaFetchesTest : public testing::Test {
 protected:
  /// What the next job asks for; who can go on afterwards is in `go_on_`.
  Ids run_job() {
    Ids ids;
    go_on_.clear();
    executor_.run_all();
    for (const auto& done : executor_.take_done()) {
      const auto& fetched = std::get<SchemasFetched>(done.outcome);
      for (const auto& outcome : fetched.outcomes) ids.push_back(outcome.id);
      go_on_ = fetches_.take(fetched);
    }
    return ids;
  }

  fakes::ManualExecutor executor_;
  fakes::FakeClock clock_;
  bool answers_ = true;
  fakes::FakeValidator validator_{0, [this] { return answers_; }};
  EventLog log_{clock_};
  SchemaFetches fetches_{"a", 0, {executor_, clock_, log_, &validator_}};
  Partitions go_on_;
};

TEST_F(SchemaFetchesTest, OfAllLanesOneJobRunsAtATime) {
  SchemaFetches second("b", 1, {executor_, clock_, log_, &validator_});
  for (SchemaFetches* fetches : {&fetches_, &second}) {
    fetches->wait_for(1, k_p0);
    fetches->step();
    fetches->wait_for(2, k_p1);
    fetches->step();
  }
  EXPECT_EQ(executor_.waiting(k_schema_strand), 2U);
  EXPECT_EQ(executor_.strands(), 1U) << "a registry that does not answer blocks one worker";
}

TEST_F(SchemaFetchesTest, WhatLaterRecordsNeedIsAskedForAlongWithWhatIsWaitedFor) {
  fetches_.look_ahead(7);
  fetches_.step();
  EXPECT_EQ(run_job(), Ids{}) << "nobody waits";
  fetches_.wait_for(9, k_p0);
  for (const std::int32_t id : {8, 9, 7, 8}) fetches_.look_ahead(id);
  fetches_.step();
  EXPECT_EQ(run_job(), (Ids{9, 7, 8})) << "what is waited for comes first";
  EXPECT_EQ(go_on_, Partitions{k_p0});
  fetches_.step();
  EXPECT_EQ(run_job(), Ids{}) << "once";
}

TEST_F(SchemaFetchesTest, LooksAheadOnlySoFar) {
  fetches_.wait_for(0, k_p0);
  for (std::int32_t id = 1; id < 10'000; ++id) fetches_.look_ahead(id);
  fetches_.step();
  EXPECT_EQ(run_job().size(), 257U);
}

TEST_F(SchemaFetchesTest, WhatWasOnlyLookedAheadForIsNotTriedAgain) {
  answers_ = false;
  fetches_.wait_for(1, k_p0);
  fetches_.look_ahead(2);
  fetches_.step();
  EXPECT_EQ(run_job(), (Ids{1, 2}));
  EXPECT_EQ(go_on_, Partitions{});
  EXPECT_NE(fetches_.trouble().find("schema 1 cannot be fetched"), std::string::npos);
  answers_ = true;
  fetches_.step();
  EXPECT_EQ(run_job(), Ids{}) << "not at once";
  clock_.advance(std::chrono::seconds(1));
  EXPECT_LE(fetches_.next_deadline(), clock_.now());
  fetches_.step();
  EXPECT_EQ(run_job(), Ids{1});
  EXPECT_EQ(go_on_, Partitions{k_p0});
  EXPECT_EQ(fetches_.trouble(), "");
}

TEST_F(SchemaFetchesTest, WhatWasNotAskedForDoesNotWaitForWhatFailed) {
  answers_ = false;
  fetches_.wait_for(1, k_p0);
  fetches_.wait_for(2, k_p1);
  fetches_.step();
  EXPECT_EQ(run_job(), (Ids{1, 2}));
  answers_ = true;
  fetches_.step();
  EXPECT_EQ(run_job(), Ids{2}) << "at once, and without the other";
  EXPECT_EQ(go_on_, Partitions{k_p1});
  EXPECT_NE(fetches_.trouble(), "") << "the other one's";
}

TEST_F(SchemaFetchesTest, WhatNobodyWaitsForAnyMoreIsNotAskedForAgain) {
  answers_ = false;
  fetches_.wait_for(1, k_p0);
  fetches_.step();
  EXPECT_EQ(run_job(), Ids{1});
  clock_.advance(std::chrono::seconds(1));
  fetches_.wait_for(2, k_p1);
  const auto since = clock_.now();

  fetches_.keep_waiting({k_p1});
  EXPECT_EQ(fetches_.waiting_since(), since);
  EXPECT_EQ(fetches_.trouble(), "");
  EXPECT_FALSE(fetches_.empty());
  answers_ = true;
  fetches_.step();
  fetches_.keep_waiting({});
  EXPECT_EQ(run_job(), Ids{2});
  EXPECT_EQ(go_on_, Partitions{});
  EXPECT_TRUE(fetches_.empty());
  EXPECT_EQ(fetches_.waiting_since(), std::nullopt);
}

}  // namespace
}  // namespace bronze::ingest
