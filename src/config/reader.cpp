#include "config/reader.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <fstream>
#include <limits>

#include "base/secret_file.h"
#include "config/variables.h"

namespace bronze::config {
namespace {

constexpr std::size_t k_quoted_chars_max = 120;
/// Stands for what a file holds that cannot be read, so that only the file is complained of.
constexpr std::string_view k_unread = "unread";

/// `12`, `0.5`, `.25`; nullopt = another form, more than three decimals, or overflow.
std::optional<std::chrono::milliseconds> parse_seconds(std::string_view text) {
  const std::size_t dot = text.find('.');
  const std::string_view whole_text = text.substr(0, dot);
  std::string decimals(dot == std::string_view::npos ? "" : text.substr(dot + 1));
  const bool has_decimals = !decimals.empty();
  if (decimals.size() > 3 || (whole_text.empty() && !has_decimals)) return std::nullopt;
  if (dot != std::string_view::npos && !has_decimals) return std::nullopt;
  decimals.resize(3, '0');

  const auto whole =
      whole_text.empty() ? std::optional<std::uint64_t>{0} : parse_whole_number(whole_text);
  const auto ms = parse_whole_number(decimals);
  constexpr std::uint64_t k_whole_max = std::numeric_limits<std::int64_t>::max() / 1000 - 1;
  if (!whole || !ms || *whole > k_whole_max) return std::nullopt;
  return std::chrono::milliseconds{static_cast<std::int64_t>(*whole * 1000 + *ms)};
}

}  // namespace

std::string shown(std::string_view value) {
  constexpr std::string_view k_hex = "0123456789abcdef";
  std::string out = "'";
  for (const char c : value.substr(0, k_quoted_chars_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte > 0x7e || c == '\'' || c == '\\') {
      out += "\\x";
      out += k_hex[byte >> 4U];
      out += k_hex[byte & 0x0fU];
    } else {
      out += c;
    }
  }
  out += "'";
  if (value.size() > k_quoted_chars_max) {
    out += "... (" + std::to_string(value.size()) + " bytes)";
  }
  return out;
}

std::optional<std::uint64_t> parse_whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    std::string part = text.substr(begin, comma - begin);
    part.erase(0, std::min(part.find_first_not_of(' '), part.size()));
    part.erase(part.find_last_not_of(' ') + 1);
    parts.push_back(std::move(part));
    begin = comma + 1;
  }
  return parts;
}

std::string seconds_text(std::chrono::milliseconds value) {
  const auto count = value.count();
  if (count % 1000 == 0) return std::to_string(count / 1000);
  std::string decimals = std::to_string(1000 + count % 1000).substr(1);
  while (decimals.back() == '0') decimals.pop_back();
  return std::to_string(count / 1000) + "." + decimals;
}

Reader::Reader(const EnvLookup& env) : env_(env) {
  for (const Variable& row : variables()) {
    if (may_come_from_file(row)) read_file_of(row.name);
  }
}

void Reader::read_file_of(std::string_view name) {
  const std::string naming = file_variable(name);
  const auto path = env_(naming);
  if (!path || path->empty()) return;
  if (given(name)) {
    fail(naming, "expected to be unset, since " + std::string(name) + " is set; one of them only");
    return;
  }
  // The path is not shown: it may be the secret itself, in the wrong variable.
  auto read = read_secret_file(*path);
  if (!read.fault.empty()) {
    fail(naming, "expected the path of a file with the value of " + std::string(name) +
                     "; that file " + read.fault);
    read.secret = k_unread;
  }
  files_.emplace(name, FromFile{.path = *path, .text = std::move(read.secret)});
}

bool Reader::is_set(std::string_view name) const {
  return files_.contains(name) || env_(name).has_value();
}

std::optional<std::string> Reader::file_of(std::string_view name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? std::nullopt : std::optional(found->second.path);
}

std::optional<std::string> Reader::given(std::string_view name) const {
  if (const auto found = files_.find(name); found != files_.end()) return found->second.text;
  auto value = env_(name);
  if (value && value->empty()) return std::nullopt;
  return value;
}

std::string Reader::text(std::string_view name) const {
  return given(name).value_or(std::string(variable(name).default_text));
}

std::uint64_t Reader::whole_number(std::string_view name, WholeNumberRange range) {
  const auto value = parse_whole_number(text(name));
  if (!value || *value < range.min || *value > range.max) {
    fail_value(name, "a whole number from " + std::to_string(range.min) + " to " +
                         std::to_string(range.max));
    return range.min;
  }
  return *value;
}

std::chrono::milliseconds Reader::seconds(std::string_view name, DurationRange range) {
  const auto value = parse_seconds(text(name));
  if (!value || *value < range.min || *value > range.max) {
    fail_value(name, "seconds from " + seconds_text(range.min) + " to " + seconds_text(range.max) +
                         ", such as 10 or 0.5");
    return range.min;
  }
  return *value;
}

bool Reader::boolean(std::string_view name) {
  const std::string value = lower_case(text(name));
  if (value == "true" || value == "1") return true;
  if (value != "false" && value != "0") fail_value(name, "true or false");
  return false;
}

void Reader::fail_value(std::string_view name, const std::string& expected) {
  const Secrecy secrecy = variable(name).secrecy;
  const bool secret = secrecy == Secrecy::kSecret || secrecy == Secrecy::kSecretOrPath;
  fail(name, "expected " + expected + "; " +
                 (secret ? "its value is not shown" : "it is " + shown(text(name))));
}

void Reader::fail(std::string_view name, std::string message) {
  errors_.push_back({std::string(name), std::move(message)});
}

bool Reader::has_failed(std::string_view name) const {
  return std::ranges::any_of(errors_, [&](const ConfigError& error) {
    return error.variable == name || error.variable == file_variable(name);
  });
}

void Reader::derive(std::string_view name, std::string_view source) {
  derived_.insert_or_assign(std::string(name), std::string(source));
}

std::map<std::string, std::string, std::less<>> Reader::sources() const {
  auto sources = derived_;
  for (const Variable& row : variables()) {
    const std::string given_by = file_of(row.name) ? file_variable(row.name) : "environment";
    sources.emplace(row.name, given(row.name) ? given_by : "default");
  }
  return sources;
}

bool Reader::is_readable_file(const std::string& path) {
  std::ifstream file(path);
  // A directory can be opened, but not read.
  file.peek();
  return file.is_open() && !file.bad();
}

std::string Reader::lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

}  // namespace bronze::config
