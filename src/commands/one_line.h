#pragma once

#include <algorithm>
#include <string>

namespace bronze::commands {

/// Messages of libraries may hold line ends; each stays on its line.
[[nodiscard]] inline std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text;
}

}  // namespace bronze::commands
