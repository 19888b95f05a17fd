#pragma once

#include <cstdint>

#include "delta/table_sink.h"

namespace bronze::delta {

/// What the live data files of a table add up to, by its log.
struct [[nodiscard]] TableTotals {
  StoreOutcome outcome;
  std::uint64_t version = 0;
  std::uint64_t files = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
};

}  // namespace bronze::delta
