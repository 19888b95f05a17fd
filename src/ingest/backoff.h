#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <random>

#include "base/clock.h"

namespace bronze::ingest {

/// Waiting times between tries: doubling from 100 ms to 10 s, each drawn between half and the
/// whole, so that instances do not march in step. One owner, one thread.
class Backoff {
 public:
  explicit Backoff(std::uint32_t seed) : random_(seed) {}

  static constexpr std::chrono::milliseconds k_longest{10'000};

  [[nodiscard]] Duration next(std::chrono::milliseconds longest = k_longest) {
    constexpr std::chrono::milliseconds k_first{100};
    const auto whole = std::min<std::chrono::milliseconds>(k_first * (1LL << tries_), longest);
    tries_ = std::min(tries_ + 1, 10);
    std::uniform_int_distribution<std::int64_t> draw(whole.count() / 2, whole.count());
    return std::chrono::milliseconds(draw(random_));
  }

  void reset() { tries_ = 0; }

 private:
  std::minstd_rand random_;
  int tries_ = 0;
};

}  // namespace bronze::ingest
