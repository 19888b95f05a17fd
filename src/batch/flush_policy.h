#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace bronze::batch {

/// So many batches of all lanes together are written in a second because their time is over.
inline constexpr std::size_t k_batches_a_second_max = 100;

/// How long batches of so many lanes fill at least.
[[nodiscard]] inline std::chrono::milliseconds interval_min(std::size_t lanes) {
  return std::chrono::milliseconds(1'000 * lanes / k_batches_a_second_max);
}

/// Which share of the interval the first batch of the nth lane fills: evenly spread whatever the
/// number of lanes, so that they do not all write at one moment, then or later.
[[nodiscard]] inline double first_share(std::size_t lane) {
  constexpr double k_golden_ratio = 0.618033988749895;
  double whole = 0;
  return 1 - std::modf(k_golden_ratio * static_cast<double>(lane), &whole);
}

/// When an open batch is written. 0 = no limit.
struct FlushPolicy {
  std::chrono::milliseconds interval{};
  std::uint64_t max_bytes = 0;
  std::uint64_t max_rows = 0;

  [[nodiscard]] bool full(std::uint64_t bytes, std::uint64_t rows) const {
    return (max_bytes != 0 && bytes >= max_bytes) || (max_rows != 0 && rows >= max_rows);
  }
};

}  // namespace bronze::batch
