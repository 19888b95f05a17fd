#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace bronze::config {

/// Parses an RFC 3339 date-time (`2024-01-15T10:30:00.5+02:00`) to milliseconds since 1970-01-01
/// UTC, cutting finer fractions. nullopt = not of that form, no such day, or before 1970 (Kafka
/// gives negative times other meanings). A leap second counts as the second after it.
[[nodiscard]] std::optional<std::int64_t> parse_rfc3339(std::string_view text);

/// `2024-01-15T10:30:00.500Z`. REQUIRES: unix_ms >= 0.
[[nodiscard]] std::string format_rfc3339(std::int64_t unix_ms);

}  // namespace bronze::config
