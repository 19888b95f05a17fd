#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace bronze::batch {

/// When an open batch is written. 0 = no limit.
struct FlushPolicy {
  std::chrono::milliseconds interval{};
  std::uint64_t max_bytes = 0;
  std::uint64_t max_rows = 0;

  /// How long the first batch of the nth lane fills: shares of the interval that are spread evenly
  /// whatever the number of lanes, so that they do not all write at one moment, then or later.
  [[nodiscard]] std::chrono::milliseconds first_interval(std::size_t lane) const {
    constexpr double k_golden_ratio = 0.618033988749895;
    double whole = 0;
    const double share = 1 - std::modf(k_golden_ratio * static_cast<double>(lane), &whole);
    return std::chrono::round<std::chrono::milliseconds>(share * interval);
  }

  [[nodiscard]] bool full(std::uint64_t bytes, std::uint64_t rows) const {
    return (max_bytes != 0 && bytes >= max_bytes) || (max_rows != 0 && rows >= max_rows);
  }
};

}  // namespace bronze::batch
