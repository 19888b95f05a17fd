#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace bronze::ingest {

/// How often something took how long. A value.
class DurationHistogram {
 public:
  /// Upper bounds in seconds, each included.
  static constexpr std::array<double, 11> k_bounds{0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                                   2.5,   5,    10,  30,   60};

  void add(Duration duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    const auto bound = std::lower_bound(k_bounds.begin(), k_bounds.end(), seconds);
    ++counts_[static_cast<std::size_t>(bound - k_bounds.begin())];
    seconds_ += seconds;
  }
  void add(const DurationHistogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    seconds_ += other.seconds_;
  }

  /// How many took at most the bound of that index, and more than the one before; the last one
  /// counts what took longer than all bounds.
  [[nodiscard]] const auto& counts() const { return counts_; }
  /// All together.
  [[nodiscard]] double seconds() const { return seconds_; }

 private:
  std::array<std::uint64_t, k_bounds.size() + 1> counts_{};
  double seconds_ = 0;
};

}  // namespace bronze::ingest
