#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace bronze {

/// Where the first malformed sequence of `text` begins (RFC 3629); its size = nowhere.
[[nodiscard]] std::size_t first_invalid_byte(std::string_view text);

/// `text` with U+FFFD in the place of what is no UTF-8: one for each part that could begin a
/// sequence, or byte that could not, as web browsers do.
[[nodiscard]] std::string with_replacements(std::string_view text);

struct Character {
  char32_t code = 0;
  std::string_view bytes;
};

/// REQUIRES: `text` is valid, and not empty.
[[nodiscard]] Character first_character(std::string_view text);

}  // namespace bronze
