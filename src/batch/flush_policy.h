#pragma once

#include <chrono>
#include <cstdint>

namespace bronze::batch {

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
