#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "decode/record_error.h"

namespace bronze::decode {

/// `what` names the text in the message; nullopt = it is valid UTF-8.
[[nodiscard]] std::optional<RecordError> encoding_error(const std::string& what,
                                                        std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace bronze::decode
