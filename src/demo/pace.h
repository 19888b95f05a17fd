#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace bronze::demo {

/// How many events are due at a given rate. What could not be sent in time is made up for, but at
/// most a quarter of a second of it, so that a pause is not followed by a flood.
class Pace {
 public:
  /// `rate`: events a second, at least 1.
  Pace(std::uint64_t rate, SteadyTime begin) : rate_(static_cast<double>(rate)), at_(begin) {}

  /// How many may be sent at `now`. REQUIRES: `now` never goes back.
  [[nodiscard]] std::uint64_t due(SteadyTime now) {
    const double seconds = std::chrono::duration<double>(now - at_).count();
    at_ = now;
    credit_ = std::min(credit_ + seconds * rate_, std::max(1.0, rate_ / 4));
    return static_cast<std::uint64_t>(credit_);
  }

  /// REQUIRES: `count` is not above what was due.
  void spend(std::uint64_t count) { credit_ -= static_cast<double>(count); }

 private:
  const double rate_;
  SteadyTime at_;
  double credit_ = 0;
};

}  // namespace bronze::demo
