#pragma once

#include <atomic>
#include <chrono>

#include "base/clock.h"

namespace bronze::fakes {

/// Time that moves only when told to.
class FakeClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime now() const override { return SteadyTime(Duration(steady_.load())); }
  [[nodiscard]] UnixMicros wall() const override { return wall_; }

  void advance(Duration by) {
    steady_ += by.count();
    wall_ += std::chrono::duration_cast<std::chrono::microseconds>(by).count();
  }
  void jump_wall(std::chrono::microseconds by) { wall_ += by.count(); }

 private:
  std::atomic<Duration::rep> steady_{std::chrono::nanoseconds(std::chrono::hours(1)).count()};
  /// 2026-03-01T23:59:00Z: midnight is near.
  std::atomic<UnixMicros> wall_{1'772'409'540'000'000};
};

}  // namespace bronze::fakes
