#pragma once

#include <string>
#include <string_view>

namespace bronze::commands {

/// What others wrote, such as a message of a library, as one line that a terminal cannot take for a
/// command: line ends, control characters and what turns the direction of writing become spaces,
/// what is no UTF-8 becomes U+FFFD.
[[nodiscard]] std::string one_line(std::string_view text);

}  // namespace bronze::commands
