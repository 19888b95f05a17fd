#pragma once

#include <chrono>
#include <cstdint>

namespace bronze {

using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// Microseconds since 1970-01-01T00:00:00Z.
using UnixMicros = std::int64_t;

/// Time, so that tests can set it. Timers use `now` only; `wall` is for what is written down.
/// Callable from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual SteadyTime now() const = 0;
  [[nodiscard]] virtual UnixMicros wall() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] SteadyTime now() const override { return std::chrono::steady_clock::now(); }
  [[nodiscard]] UnixMicros wall() const override {
    using std::chrono::duration_cast;
    return duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace bronze
