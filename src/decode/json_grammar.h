#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace bronze::decode {

/// How many arrays and objects may be open at once.
inline constexpr std::size_t k_json_depth_max = 1024;

struct JsonFault {
  /// Of the first byte that cannot stay.
  std::size_t position = 0;
  std::string what;
};

/// What keeps `text` from being one JSON value (RFC 8259); nullopt = nothing. Numbers may have any
/// size and names may repeat. Refused are also more than k_json_depth_max levels, and escapes of
/// half a surrogate pair, which are no text. Slower than a parser, and exact.
/// REQUIRES: valid UTF-8.
[[nodiscard]] std::optional<JsonFault> first_json_fault(std::string_view text);

/// A member of the outermost object, as it is written: the name with its quotes, and any value.
using JsonMemberSink = std::function<void(std::string_view name, std::string_view value)>;

/// Tells the members of `text` in their order. The same rules, but for the levels: there may be any
/// number of them. What comes before a fault has been told.
/// REQUIRES: valid UTF-8.
[[nodiscard]] std::optional<JsonFault> read_json_members(std::string_view text,
                                                         const JsonMemberSink& sink);

/// What a string of JSON says. REQUIRES: one as a member is told.
[[nodiscard]] std::string json_string(std::string_view written);

}  // namespace bronze::decode
