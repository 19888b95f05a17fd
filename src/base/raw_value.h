#pragma once

#include <cstdint>
#include <string_view>

namespace bronze {

/// What a table's `_raw_value` holds.
enum class RawValue : std::uint8_t {
  /// The value itself, a string column.
  kString,
  /// The value itself, a binary column.
  kBinary,
  /// The value in standard base64, a string column.
  kBase64,
};

/// As RAW_VALUE names it.
[[nodiscard]] constexpr std::string_view name_of(RawValue value) {
  switch (value) {
    case RawValue::kString:
      return "string";
    case RawValue::kBinary:
      return "binary";
    case RawValue::kBase64:
      return "base64";
  }
  return {};
}

/// The table property that tells base64 from text: both are strings.
inline constexpr std::string_view k_raw_value_property = "bronze.rawValue";

}  // namespace bronze
