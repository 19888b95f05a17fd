#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"

namespace bronze::config {

/// Inclusive at both ends.
struct WholeNumberRange {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
};

/// Inclusive at both ends.
struct DurationRange {
  std::chrono::milliseconds min{};
  std::chrono::milliseconds max{};
};

/// Reads variables one by one and collects what is wrong with them, so that all errors are
/// reported at once. Lives on the stack of load_config, one thread. A read that fails notes the
/// error and returns a harmless value: the result is thrown away with the rest.
///
/// The value of a variable that may come from a file, NAME, is what the file holds that NAME_FILE
/// names, if that is set.
class Reader {
 public:
  /// Reads all those files. `env` outlives the reader.
  explicit Reader(const EnvLookup& env);

  /// Set, even to nothing.
  [[nodiscard]] bool is_set(std::string_view name) const;
  /// Set to something.
  [[nodiscard]] std::optional<std::string> given(std::string_view name) const;
  /// The given value, otherwise the default of the table.
  [[nodiscard]] std::string text(std::string_view name) const;
  /// The file that the value comes from.
  [[nodiscard]] std::optional<std::string> file_of(std::string_view name) const;

  /// Decimal digits only.
  std::uint64_t whole_number(std::string_view name, WholeNumberRange range);
  /// Seconds with at most three decimals.
  std::chrono::milliseconds seconds(std::string_view name, DurationRange range);
  /// true, false, 1 or 0.
  bool boolean(std::string_view name);

  /// One of `choices`, whatever the case of its letters.
  template <typename T>
  T choice(std::string_view name, std::span<const std::pair<std::string_view, T>> choices) {
    const std::string value = lower_case(text(name));
    std::string names;
    for (const auto& [choice_name, result] : choices) {
      if (lower_case(choice_name) == value) return result;
      names += (names.empty() ? "" : ", ") + std::string(choice_name);
    }
    fail_value(name, "one of " + names);
    return choices.front().second;
  }

  /// Says which form was expected and, unless the variable is a secret, what it holds.
  void fail_value(std::string_view name, const std::string& expected);
  /// `message` must not hold a secret.
  void fail(std::string_view name, std::string message);
  void warn(std::string message) { warnings_.push_back(std::move(message)); }
  /// The value in effect of `name` comes from `source`, which is not what `name` itself says.
  void derive(std::string_view name, std::string_view source);

  /// Something is wrong with the variable, or with its file.
  [[nodiscard]] bool has_failed(std::string_view name) const;
  [[nodiscard]] const std::vector<ConfigError>& errors() const { return errors_; }
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

  /// See Config::sources; every variable of the table.
  [[nodiscard]] std::map<std::string, std::string, std::less<>> sources() const;

  [[nodiscard]] static std::string lower_case(std::string_view text);
  /// A directory is none: container engines make one where a mounted file is missing.
  [[nodiscard]] static bool is_readable_file(const std::string& path);

 private:
  struct FromFile {
    std::string path;
    std::string text;
  };
  void read_file_of(std::string_view name);

  const EnvLookup& env_;
  /// By the variable whose value they hold.
  std::map<std::string, FromFile, std::less<>> files_;
  std::vector<ConfigError> errors_;
  std::vector<std::string> warnings_;
  std::map<std::string, std::string, std::less<>> derived_;
};

/// A value as it may appear in a message: quoted, shortened, anything unprintable escaped.
[[nodiscard]] std::string shown(std::string_view value);

/// The parts between commas, without the spaces around them; an empty text is one empty part.
[[nodiscard]] std::vector<std::string> split_at_commas(const std::string& text);

/// The whole text as a number without sign; nullopt = other characters, nothing, or overflow.
[[nodiscard]] std::optional<std::uint64_t> parse_whole_number(std::string_view text);

/// `10`, `0.5`
[[nodiscard]] std::string seconds_text(std::chrono::milliseconds value);

}  // namespace bronze::config
