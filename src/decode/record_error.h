#pragma once

#include <array>
#include <string>

namespace bronze::decode {

inline constexpr const char* k_encoding_error = "ENCODING_ERROR";
inline constexpr const char* k_json_parse_error = "JSON_PARSE_ERROR";
inline constexpr const char* k_schema_validation_error = "SCHEMA_VALIDATION_ERROR";
inline constexpr std::array k_error_types{k_encoding_error, k_json_parse_error,
                                          k_schema_validation_error};

/// Why a record cannot go into its table. A value, never an exception.
struct RecordError {
  /// One of k_error_types.
  std::string type;
  /// Names the place and the rule.
  std::string message;
};

}  // namespace bronze::decode
