#include "base/utf8.h"

namespace bronze {
namespace {

/// What is at the front of a text.
struct Sequence {
  /// How many bytes belong together, at least 1.
  std::size_t bytes = 1;
  bool valid = false;
};

Sequence first_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, true};
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  }
  if (length == 0) return {};
  for (std::size_t i = 1; i < length; ++i) {
    if (i == text.size() || byte(i) < low || byte(i) > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

}  // namespace

std::size_t first_invalid_byte(std::string_view text) {
  std::size_t position = 0;
  while (position < text.size()) {
    const Sequence sequence = first_sequence(text.substr(position));
    if (!sequence.valid) return position;
    position += sequence.bytes;
  }
  return position;
}

std::string with_replacements(std::string_view text) {
  constexpr std::string_view k_replacement = "\xEF\xBF\xBD";
  std::string replaced;
  replaced.reserve(text.size());
  while (!text.empty()) {
    const Sequence sequence = first_sequence(text);
    replaced += sequence.valid ? text.substr(0, sequence.bytes) : k_replacement;
    text.remove_prefix(sequence.bytes);
  }
  return replaced;
}

Character first_character(std::string_view text) {
  constexpr unsigned k_bits = 6;
  constexpr unsigned char k_mask = 0x3F;
  const std::size_t size = first_sequence(text).bytes;
  const auto lead = static_cast<unsigned char>(text[0]);
  char32_t code = size == 1 ? lead : lead & (k_mask >> (size - 1));
  for (std::size_t i = 1; i < size; ++i) {
    code = (code << k_bits) | (static_cast<unsigned char>(text[i]) & k_mask);
  }
  return {.code = code, .bytes = text.substr(0, size)};
}

}  // namespace bronze
