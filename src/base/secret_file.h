#pragma once

#include <string>

namespace bronze {

/// What a file with a secret holds.
struct SecretRead {
  /// Without the line ends that editors and `echo` leave behind it.
  std::string secret;
  /// Why there is none, e.g. `is empty`; names neither the file nor what it holds. Empty = there is
  /// one.
  std::string fault;
};

/// Reads up to 64 KiB of text.
[[nodiscard]] SecretRead read_secret_file(const std::string& path);

}  // namespace bronze
