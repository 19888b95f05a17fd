#include "commands/styled_line.h"

#include <algorithm>
#include <numeric>

#include "base/utf8.h"

namespace bronze::commands {
namespace {

constexpr std::string_view k_ellipsis = "…";

constexpr char32_t k_ellipsis_code = 0x2026;
/// From here on there are characters of two columns.
constexpr char32_t k_wide_min = 0x1100;

std::size_t columns_of(char32_t code) {
  return code < k_wide_min || code == k_ellipsis_code ? 1 : 2;
}

/// How many bytes of `text` fit.
std::size_t fitting(std::string_view text, std::size_t columns) {
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const Character character = first_character(text.substr(bytes));
    const std::size_t needed = columns_of(character.code);
    if (needed > columns) break;
    columns -= needed;
    bytes += character.bytes.size();
  }
  return bytes;
}

const char* code_of(Style style) {
  switch (style) {
    case Style::kPlain:
      return "";
    case Style::kSoft:
      return "\x1b[2m";
    case Style::kBold:
      return "\x1b[1m";
    case Style::kWell:
      return "\x1b[32m";
    case Style::kBusy:
      return "\x1b[36m";
    case Style::kWarn:
      return "\x1b[33m";
    case Style::kBad:
      return "\x1b[1;31m";
  }
  return "";
}

}  // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    columns += columns_of(character.code);
    text.remove_prefix(character.bytes.size());
  }
  return columns;
}

std::size_t columns_of(const StyledLine& line) {
  return std::accumulate(
      line.begin(), line.end(), std::size_t{0},
      [](std::size_t sum, const Span& span) { return sum + columns_of(span.text); });
}

std::string cut(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  if (columns == 0) return "";
  return std::string(text.substr(0, fitting(text, columns - 1))) + std::string(k_ellipsis);
}

StyledLine cut(const StyledLine& line, std::size_t columns) {
  if (columns_of(line) <= columns) return line;
  StyledLine kept;
  for (const Span& span : line) {
    const std::size_t needed = columns_of(span.text);
    // The next one needs a column for its ellipsis.
    if (needed >= columns) {
      kept.push_back({cut(span.text + std::string(k_ellipsis), columns), span.style});
      break;
    }
    kept.push_back(span);
    columns -= needed;
  }
  return kept;
}

std::vector<std::string> wrapped(std::string_view text, std::size_t columns) {
  std::vector<std::string> lines;
  columns = std::max<std::size_t>(columns, 2);
  while (columns_of(text) > columns) {
    const std::size_t fits = fitting(text, columns);
    // A word that ends where the room does stays whole.
    const std::size_t space = text.substr(0, fits + 1).rfind(' ');
    const bool between_words = space != std::string_view::npos && space > 0;
    lines.emplace_back(text.substr(0, between_words ? space : fits));
    text.remove_prefix(between_words ? space + 1 : fits);
  }
  lines.emplace_back(text);
  return lines;
}

std::string written(const StyledLine& line, Colours colours) {
  std::string text;
  for (const Span& span : line) {
    const std::string code = colours == Colours::kOn ? code_of(span.style) : "";
    text += code + span.text + (code.empty() ? "" : "\x1b[0m");
  }
  return text;
}

}  // namespace bronze::commands
