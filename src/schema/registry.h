#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/format_checks.h"
#include "decode/validator.h"

namespace bronze::schema {

struct RegistrySettings {
  /// Tried in order; http or https, without user names.
  std::vector<std::string> urls;
  /// Empty = no authentication.
  std::string username;
  std::string password;
  /// That they came from, and may change in; empty = none.
  std::string username_file = {};
  std::string password_file = {};
  /// PEM; trusted besides what the system trusts. Empty = none.
  std::string ca_file;
  std::chrono::milliseconds connect_timeout{};
  /// For one request, its body included.
  std::chrono::milliseconds request_timeout{};
  /// Of JSON Schemas.
  FormatChecks formats = FormatChecks::kIgnore;
};

/// A Confluent-compatible schema registry and what is kept of its schemas. Owned by the app;
/// outlives its validators. Any thread.
class Registry {
 public:
  /// Reads the CA file and nothing else. Throws std::runtime_error when a setting cannot be used.
  explicit Registry(const RegistrySettings& settings);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  /// For the values of a topic: each names its schema, of whatever type.
  [[nodiscard]] std::unique_ptr<decode::Validator> validator() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bronze::schema
