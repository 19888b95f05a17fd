#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/config.h"

namespace bronze::config {

enum class Secrecy {
  kPublic,
  /// Shown, but kept beside secrets.
  kCredential,
  kSecret,
  /// A path, which is shown, or the secret itself, which is not.
  kSecretOrPath,
};

/// One row of the table of variables: the single place that names a variable, its default and its
/// meaning. Help, the description at start and the reading of defaults all come from here.
struct Variable {
  std::string_view name;
  /// As help shows it; also parsed as the default, except where the default is computed.
  std::string_view default_text;
  std::string_view meaning;
  Secrecy secrecy = Secrecy::kPublic;
  /// The value in effect; nullopt = this configuration does not use the variable. Null pointer =
  /// the variable is never described (it only feeds others, or is not supported yet).
  std::optional<std::string> (*effective)(const Config&) = nullptr;
};

/// NAME_FILE, which may name a file with the value of NAME.
[[nodiscard]] std::string file_variable(std::string_view name);

/// NAME_FILE may name a file with the value; it is no variable of its own.
[[nodiscard]] bool may_come_from_file(const Variable& variable);

/// All variables, in the order in which help and description show them.
[[nodiscard]] std::span<const Variable> variables();

/// REQUIRES: `name` is in the table.
[[nodiscard]] const Variable& variable(std::string_view name);

}  // namespace bronze::config
