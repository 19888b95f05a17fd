#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>

#include "base/clock.h"

namespace bronze::observe {

/// Totals of one moment.
struct Reading {
  std::uint64_t rows_committed = 0;
  std::uint64_t bytes_committed = 0;
  /// nullopt = not known.
  std::optional<std::int64_t> lag;
};

/// What was committed in each ten seconds of the last hour. Any thread.
class History {
 public:
  static constexpr std::chrono::seconds k_step{10};
  static constexpr std::size_t k_steps_max = 360;

  /// As many as are needed to cover so long.
  [[nodiscard]] static constexpr std::size_t steps_in(Duration duration) {
    return static_cast<std::size_t>((duration + k_step - Duration{1}) / k_step);
  }

  struct Step {
    std::uint64_t rows = 0;
    std::uint64_t bytes = 0;
    /// At its end.
    std::optional<std::int64_t> lag;
  };
  struct Steps {
    /// Oldest first.
    std::deque<Step> steps;
    /// Of the last one.
    UnixMicros end = 0;
  };

  /// To be called at least once a step; what lies within one is added up.
  void note(const Reading& reading, SteadyTime now, UnixMicros wall);
  [[nodiscard]] Steps steps() const;

 private:
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  Steps steps_;
  std::optional<SteadyTime> step_end_;
  Reading before_;
};

}  // namespace bronze::observe
