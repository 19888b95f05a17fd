#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cache/key_value_server.h"

namespace bronze::cache {

struct RedisSettings {
  /// A path; empty = by network.
  std::string socket;
  std::string host;
  std::uint16_t port = 0;
  enum class Encryption { kNone, kTls } encryption = Encryption::kNone;
  /// PEM; trusted instead of what the system trusts. Empty = none.
  std::string ca_file;
  std::string username;
  /// Empty = no authentication.
  std::string password;
  std::uint32_t database = 0;
  /// To connect, and for each answer.
  std::chrono::milliseconds timeout{};
};

/// The KeyValueServer over a client of Redis. Connects when it is needed, after a failure anew.
class RedisServer final : public KeyValueServer {
 public:
  /// Asked again after each failure; may throw.
  using Settings = std::function<RedisSettings()>;

  /// Reads files only. Throws std::runtime_error when a setting cannot be used.
  explicit RedisServer(Settings settings);
  ~RedisServer() override;
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  Values get(const std::vector<std::string>& keys) override;
  [[nodiscard]] std::string set(const std::string& key, const std::string& value) override;
  /// Returns why it does not answer; empty = it does.
  [[nodiscard]] std::string ping();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bronze::cache
