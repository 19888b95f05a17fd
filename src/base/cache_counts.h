#pragma once

#include <cstdint>

namespace bronze {

/// What became of the cache of table states since the process started.
struct CacheCounts {
  /// Looks at a table that began from a cached state.
  std::uint64_t hits = 0;
  /// Those that found none which the table vouches for.
  std::uint64_t misses = 0;
  /// Requests that failed, and states that were dropped since too many waited to be written.
  std::uint64_t errors = 0;
};

}  // namespace bronze
