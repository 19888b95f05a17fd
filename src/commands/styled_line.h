#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bronze::commands {

enum class Style { kPlain, kSoft, kBold, kWell, kBusy, kWarn, kBad };
enum class Colours { kOff, kOn };

struct Span {
  /// One line of valid UTF-8 without control characters, see one_line.
  std::string text;
  Style style = Style::kPlain;
};

using StyledLine = std::vector<Span>;

/// How many columns of a terminal a text takes at most: what may be wide counts as wide.
[[nodiscard]] std::size_t columns_of(std::string_view text);
[[nodiscard]] std::size_t columns_of(const StyledLine& line);

/// What does not fit is replaced by `…`.
[[nodiscard]] std::string cut(std::string_view text, std::size_t columns);
[[nodiscard]] StyledLine cut(const StyledLine& line, std::size_t columns);

/// Broken between words where it can be.
[[nodiscard]] std::vector<std::string> wrapped(std::string_view text, std::size_t columns);

/// Without a line end.
[[nodiscard]] std::string written(const StyledLine& line, Colours colours);

}  // namespace bronze::commands
