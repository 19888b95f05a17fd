#include "commands/one_line.h"

#include "base/utf8.h"

namespace bronze::commands {
namespace {

bool is_control(char32_t code) { return code < 0x20 || (code >= 0x7F && code < 0xA0); }

/// Separators of lines and paragraphs; marks, embeddings, overrides and isolates of direction.
bool moves_other_text(char32_t code) {
  return (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069) ||
         code == 0x200E || code == 0x200F || code == 0x061C;
}

}  // namespace

std::string one_line(std::string_view text) {
  const std::string valid = with_replacements(text);
  std::string line;
  line.reserve(valid.size());
  for (std::string_view rest = valid; !rest.empty();) {
    const Character character = first_character(rest);
    const bool is_text = !is_control(character.code) && !moves_other_text(character.code);
    line += is_text ? character.bytes : " ";
    rest.remove_prefix(character.bytes.size());
  }
  return line;
}

}  // namespace bronze::commands
