#include "cache/state_cache.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fakes/fake_clock.h"
#include "fakes/fake_key_values.h"
#include "fakes/log_capture.h"

namespace bronze::cache {
namespace {

using namespace std::chrono_literals;
using delta::StateUse;

constexpr auto k_ever = 1h;

class StateCacheTest : public testing::Test {
 protected:
  /// Nobody waits for long unless the test wants it, and a failure lasts.
  StateCacheSettings settings{.wait_max = k_ever, .pause_min = k_ever, .pause_max = k_ever};
  fakes::KeyValues server;
  fakes::FakeClock clock;
  EventLog log{clock};

  /// Made when `settings` are as the test wants them.
  std::unique_ptr<StateCache> cache;

  void make() {
    cache = std::make_unique<StateCache>(std::make_unique<fakes::FakeKeyValueServer>(server),
                                         settings, log);
  }
  void fail(const std::string& trouble) {
    server.change([&] { server.trouble = trouble; });
  }
  void set_hangs(bool hangs) {
    server.change([&] { server.hangs = hangs; });
  }
  std::size_t sets() {
    const std::lock_guard lock(server.mutex);
    return server.sets.size();
  }
  void wait_for_sets(std::size_t count) {
    server.wait_until([&] { return server.sets.size() >= count; });
  }

  void TearDown() override {
    set_hangs(false);
    cache.reset();
  }
};

TEST_F(StateCacheTest, WhatIsKeptIsFound) {
  make();
  EXPECT_EQ(cache->find("a"), std::nullopt);
  cache->keep("a", "first");
  cache->keep("b", "other");
  cache->drain();
  EXPECT_EQ(cache->find("a"), "first");
  EXPECT_EQ(cache->find("b"), "other");
  cache->keep("a", "second");
  cache->drain();
  EXPECT_EQ(cache->find("a"), "second");
  EXPECT_EQ(cache->counts().errors, 0U);
}

TEST_F(StateCacheTest, UsesAreCounted) {
  make();
  cache->count(StateUse::kHit);
  cache->count(StateUse::kMiss);
  cache->count(StateUse::kHit);
  EXPECT_EQ(cache->counts().hits, 2U);
  EXPECT_EQ(cache->counts().misses, 1U);
}

TEST_F(StateCacheTest, OfEachTableOnlyTheLastStateIsWrittenAndEachHasItsTurn) {
  make();
  set_hangs(true);
  cache->keep("a", "1");
  server.wait_until([&] { return server.hanging == 1; });
  for (int i = 0; i < 1'000; ++i) {
    for (const char* table : {"a", "b", "c"}) cache->keep(table, std::to_string(i));
  }
  set_hangs(false);
  cache->drain();
  EXPECT_EQ(server.sets, (std::vector<std::string>{"a", "b", "c", "a"}));
  for (const char* table : {"a", "b", "c"}) EXPECT_EQ(server.values[table], "999");
}

TEST_F(StateCacheTest, AServerThatHangsHoldsNobodyUpForLong) {
  settings.wait_max = 1ms;
  make();
  set_hangs(true);
  EXPECT_EQ(cache->find("a"), std::nullopt);
  EXPECT_EQ(cache->counts().errors, 1U);
  // Not asked again.
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(cache->find("a"), std::nullopt);
  cache->keep("a", "kept");
  cache->drain();
  const std::lock_guard lock(server.mutex);
  EXPECT_LE(server.gets, 1U) << "none, if the thread was late for the first";
  EXPECT_EQ(cache->counts().errors, 1U);
}

TEST_F(StateCacheTest, ManyAreAnsweredAtOnce) {
  server.values = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
  make();
  set_hangs(true);
  auto first = std::async([&] { return cache->find("a"); });
  server.wait_until([&] { return server.hanging == 1; });
  std::vector<std::future<std::optional<std::string>>> others;
  for (const char* table : {"b", "c", "d"}) {
    others.push_back(std::async([this, table] { return cache->find(table); }));
  }
  // Whenever they come, the first call answers one and few more answer the rest.
  set_hangs(false);
  EXPECT_EQ(first.get(), "1");
  EXPECT_EQ(others[0].get(), "2");
  EXPECT_EQ(others[1].get(), "3");
  EXPECT_EQ(others[2].get(), std::nullopt);
  const std::lock_guard lock(server.mutex);
  EXPECT_LE(server.gets, 4U);
}

TEST_F(StateCacheTest, WhatWasNotWrittenIsWrittenWhenTheServerIsBack) {
  settings.pause_min = settings.pause_max = 1ms;
  make();
  fail("full");
  cache->keep("a", "1");
  cache->keep("b", "2");
  wait_for_sets(4);
  EXPECT_GE(cache->counts().errors, 3U);
  cache->keep("a", "3");
  fail("");
  server.wait_until([&] { return server.values.size() == 2; });
  cache->drain();
  EXPECT_EQ(server.values["a"], "3");
  EXPECT_EQ(server.values["b"], "2");
}

TEST_F(StateCacheTest, AfterAFailureItIsLeftAloneForAWhile) {
  make();
  fail("gone");
  cache->keep("a", "1");
  cache->drain();
  for (int i = 0; i < 100; ++i) {
    cache->keep("a", "2");
    EXPECT_EQ(cache->find("a"), std::nullopt);
  }
  EXPECT_EQ(sets(), 1U);
  EXPECT_EQ(server.gets, 0U);
}

TEST_F(StateCacheTest, WhatWaitsIsBounded) {
  settings.pending_bytes_max = 100;
  make();
  set_hangs(true);
  cache->keep("first", "x");
  server.wait_until([&] { return server.hanging == 1; });
  cache->keep("a", std::string(60, 'a'));
  cache->keep("b", std::string(60, 'b'));
  EXPECT_EQ(cache->counts().errors, 1U);
  cache->keep("a", std::string(30, 'A'));
  cache->keep("c", std::string(60, 'c'));
  // One that has grown too large takes its older one with it.
  cache->keep("c", std::string(101, 'c'));
  EXPECT_EQ(cache->counts().errors, 2U);
  cache->keep("d", std::string(70, 'd'));
  set_hangs(false);
  cache->drain();
  EXPECT_EQ(server.sets, (std::vector<std::string>{"first", "a", "d"}));
  EXPECT_EQ(server.values["a"], std::string(30, 'A'));
}

TEST_F(StateCacheTest, TheEndDoesNotWaitForWhatIsNotWritten) {
  make();
  fail("gone");
  cache->keep("a", "1");
  cache->drain();
  cache->keep("b", "1");
  cache->drain();
  cache.reset();
  EXPECT_EQ(sets(), 1U);
}

TEST_F(StateCacheTest, AFailureIsToldOnceAMinuteAndSoIsItsEnd) {
  settings.pause_min = settings.pause_max = 1ms;
  const fakes::LogCapture heard;
  make();
  for (int outage = 0; outage < 3; ++outage) {
    fail("the reason");
    cache->keep("a", "1");
    wait_for_sets(sets() + 4);
    fail("");
    cache->drain();
    server.wait_until([&] { return server.values.contains("a"); });
    server.change([&] { server.values.clear(); });
  }
  cache.reset();
  const auto lines = heard.take();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["event"], "cache_failed");
  EXPECT_EQ(lines[0]["reason"], "the reason");
  EXPECT_EQ(lines[1]["event"], "cache_recovered");
}

}  // namespace
}  // namespace bronze::cache
