#pragma once

#include <string>

namespace bronze::decode {

inline constexpr const char* k_encoding_error = "ENCODING_ERROR";
inline constexpr const char* k_json_parse_error = "JSON_PARSE_ERROR";
inline constexpr const char* k_schema_validation_error = "SCHEMA_VALIDATION_ERROR";

/// Why a record cannot go into its table. A value, never an exception.
struct RecordError {
  /// One of the three above.
  std::string type;
  /// Names the place and the rule.
  std::string message;
};

}  // namespace bronze::decode
