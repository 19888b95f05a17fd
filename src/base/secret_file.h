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

/// A pipe, such as a shell makes of `<(command)`, can be read only once, and whoever reads it again
/// may wait for ever.
[[nodiscard]] bool is_read_only_once(const std::string& path);

/// A secret that a file holds, and that may change there. Used by one thread at a time.
class SecretFile {
 public:
  /// `secret` is what was read first.
  SecretFile(std::string path, std::string secret);

  /// Reads the file again; true = it holds another secret. A file without one changes nothing, and
  /// is warned of once; what can be read only once is left alone.
  bool renew();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& secret() const { return secret_; }

 private:
  std::string path_;
  std::string secret_;
  std::string fault_;
};

}  // namespace bronze
