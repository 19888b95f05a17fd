#include "decode/encoding.h"

#include <simdjson.h>

#include "base/utf8.h"

namespace bronze::decode {

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

std::optional<RecordError> encoding_error(const std::string& what, std::string_view text) {
  if (is_utf8(text)) return std::nullopt;
  return RecordError{k_encoding_error, what + " is not valid UTF-8 at byte " +
                                           std::to_string(first_invalid_byte(text))};
}

}  // namespace bronze::decode
