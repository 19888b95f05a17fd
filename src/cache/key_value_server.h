#pragma once

#include <optional>
#include <string>
#include <vector>

namespace bronze::cache {

/// Values by key, in the order of the keys; nullopt = there is none.
struct [[nodiscard]] Values {
  /// Why there is no answer; empty = there is one.
  std::string trouble;
  std::vector<std::optional<std::string>> values;
};

/// A server that keeps values by key, such as Redis. One caller. Calls block, each for a bounded
/// time.
class KeyValueServer {
 public:
  virtual ~KeyValueServer() = default;

  virtual Values get(const std::vector<std::string>& keys) = 0;
  /// Returns why not; empty = done.
  [[nodiscard]] virtual std::string set(const std::string& key, const std::string& value) = 0;
};

}  // namespace bronze::cache
