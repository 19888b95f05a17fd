#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "base/clock.h"

namespace bronze::decode {

/// A time that microseconds cannot hold is no time.
[[nodiscard]] constexpr std::optional<UnixMicros> to_micros(
    std::optional<std::int64_t> milliseconds) {
  constexpr std::int64_t k_limit = std::numeric_limits<std::int64_t>::max() / 1000;
  if (!milliseconds || *milliseconds > k_limit || *milliseconds < -k_limit) return std::nullopt;
  return *milliseconds * 1000;
}

}  // namespace bronze::decode
