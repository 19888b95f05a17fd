#include "ingest/backoff.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <set>
#include <vector>

namespace bronze::ingest {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, DoublesFrom100MsTo10SAndStaysThere) {
  const std::vector<milliseconds> wholes = {
      milliseconds{100},    milliseconds{200},   milliseconds{400},   milliseconds{800},
      milliseconds{1'600},  milliseconds{3'200}, milliseconds{6'400}, milliseconds{10'000},
      milliseconds{10'000}, milliseconds{10'000}};
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    Backoff backoff(seed);
    for (const milliseconds whole : wholes) {
      const Duration wait = backoff.next();
      EXPECT_GE(wait, whole / 2);
      EXPECT_LE(wait, whole);
    }
  }
}

TEST(Backoff, StaysAtItsLongestHoweverOftenItIsAsked) {
  Backoff backoff(7);
  for (int i = 0; i < 10'000; ++i) static_cast<void>(backoff.next());
  const Duration wait = backoff.next();
  EXPECT_GE(wait, milliseconds{5'000});
  EXPECT_LE(wait, milliseconds{10'000});
}

TEST(Backoff, HasNoLongerWaitThanTheCallerAllows) {
  Backoff backoff(7);
  for (int i = 0; i < 100; ++i) EXPECT_LE(backoff.next(milliseconds{300}), milliseconds{300});
}

TEST(Backoff, BeginsAnewAfterReset) {
  Backoff backoff(7);
  for (int i = 0; i < 5; ++i) static_cast<void>(backoff.next());
  backoff.reset();
  EXPECT_LE(backoff.next(), milliseconds{100});
}

TEST(Backoff, InstancesDoNotMarchInStep) {
  std::set<Duration> waits;
  for (std::uint32_t seed = 1; seed <= 100; ++seed) {
    Backoff backoff(seed);
    for (int i = 0; i < 8; ++i) static_cast<void>(backoff.next());
    waits.insert(backoff.next());
  }
  EXPECT_GT(waits.size(), 50U);
}

TEST(Backoff, TakesTheSeedZero) {
  Backoff backoff(0);
  EXPECT_LE(backoff.next(), milliseconds{100});
}

}  // namespace
}  // namespace bronze::ingest
