#pragma once

#include <cstdint>
#include <variant>

namespace bronze {

struct StartEarliest {};
struct StartLatest {};
struct StartAtTime {
  std::int64_t unix_ms = 0;
};

/// Where a partition without any progress begins.
using StartPolicy = std::variant<StartEarliest, StartLatest, StartAtTime>;

/// Whether somebody chose the policy.
enum class StartSource { kDefault, kExplicit };

}  // namespace bronze
