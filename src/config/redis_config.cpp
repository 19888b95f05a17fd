#include "config/redis_config.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "base/secret_file.h"
#include "config/variables.h"

namespace bronze::config {
namespace {

using Encryption = RedisConfig::Encryption;

constexpr std::string_view k_url = "REDIS_URL";
constexpr std::string_view k_ca = "REDIS_CA";
constexpr std::uint16_t k_port = 6379;
constexpr std::uint64_t k_port_max = 65'535;
/// Redis has 16 unless it is told otherwise.
constexpr std::uint64_t k_database_max = 1'000'000;

/// Takes what comes before `end` off `text`; all of it when `end` is not there.
std::string_view take_until(std::string_view& text, char end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(std::min(at + 1, text.size()));
  return taken;
}

/// `%40` is `@`; nullopt = not two hexadecimal digits behind a percent sign.
std::optional<std::string> unescaped(std::string_view text) {
  constexpr std::size_t k_digits = 2;
  constexpr int k_hex = 16;
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, k_digits);
    const char* const end = digits.data() + digits.size();
    unsigned char byte = 0;
    const auto parsed = std::from_chars(digits.data(), end, byte, k_hex);
    if (digits.size() != k_digits || parsed.ptr != end) return std::nullopt;
    plain += static_cast<char>(byte);
    i += k_digits;
  }
  return plain;
}

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

/// Fills `redis`, or says what was expected.
class UrlParser {
 public:
  explicit UrlParser(RedisConfig& redis) : redis_(redis) {}

  /// Empty = the URL is one.
  std::string parse(std::string_view url) {
    using Scheme = std::pair<std::string_view, Encryption>;
    constexpr auto k_schemes =
        std::to_array<Scheme>({{"redis://", Encryption::kNone}, {"rediss://", Encryption::kTls}});
    if (!is_plain(url)) return "no spaces, and other characters than those of ASCII as %XX";
    const std::string lower = Reader::lower_case(url);
    if (lower.starts_with("unix://")) return parse_socket(url.substr(7));
    for (const auto& [scheme, encryption] : k_schemes) {
      if (!lower.starts_with(scheme)) continue;
      redis_.encryption = encryption;
      return parse_network(url.substr(scheme.size()));
    }
    return "redis://, rediss:// or unix:// at its beginning";
  }

 private:
  std::string parse_socket(std::string_view rest) {
    if (const auto fault = take_user(rest, rest.find("@/")); !fault.empty()) return fault;
    const auto path = unescaped(take_until(rest, '?'));
    if (!path || !path->starts_with('/') || path->ends_with('/')) return "an absolute path";
    redis_.socket = *path;
    if (rest.empty()) return "";
    if (!rest.starts_with("db=")) return "nothing but db=N behind the question mark";
    return take_database(rest.substr(3));
  }

  std::string parse_network(std::string_view rest) {
    if (const auto fault = take_user(rest, rest.rfind('@')); !fault.empty()) return fault;
    const std::string_view address = take_until(rest, '/');
    const bool bracketed = address.starts_with('[');
    const std::size_t bracket = bracketed ? address.find(']') : 0;
    if (bracket == std::string_view::npos) return "a closing bracket behind the address";
    const std::size_t colon = address.find(':', bracket);
    const std::string_view host = address.substr(0, colon);
    redis_.host = bracketed ? host.substr(1, bracket - 1) : host;
    const bool is_host = std::ranges::all_of(redis_.host, [&](unsigned char c) {
      return std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_' || (bracketed && c == ':');
    });
    const bool ends_with_bracket = !bracketed || host.size() == bracket + 1;
    if (redis_.host.empty() || !is_host || !ends_with_bracket) return "a host";
    redis_.port = k_port;
    if (colon != std::string_view::npos) {
      const auto port = parse_whole_number(address.substr(colon + 1));
      if (!port || *port == 0 || *port > k_port_max) return "a port from 1 to 65535";
      redis_.port = static_cast<std::uint16_t>(*port);
    }
    return rest.empty() ? "" : take_database(rest);
  }

  /// `[user]:password`, which ends at `at`.
  std::string take_user(std::string_view& rest, std::size_t at) {
    if (at == std::string_view::npos) return "";
    std::string_view user = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    const auto name = unescaped(take_until(user, ':'));
    const auto password = unescaped(user);
    if (!name || !password) return "two hexadecimal digits behind each percent sign";
    if (password->empty()) return "user:password or :password before the @";
    redis_.username = *name;
    redis_.password = *password;
    return "";
  }

  std::string take_database(std::string_view text) {
    const auto database = parse_whole_number(text);
    if (!database || *database > k_database_max) return "the number of a database";
    redis_.database = static_cast<std::uint32_t>(*database);
    return "";
  }

  RedisConfig& redis_;
};

void check_trust(Reader& reader, const RedisConfig& redis) {
  if (!redis.password.empty() && redis.socket.empty() && redis.encryption == Encryption::kNone) {
    reader.warn("the password of " + std::string(k_url) +
                " goes over the network unencrypted: it is not rediss://");
  }
  if (redis.ca_file.empty()) return;
  if (redis.encryption == Encryption::kNone) {
    reader.fail(k_ca, "expected to be unset, since " + std::string(k_url) +
                          " uses no certificates; it is " + shown(redis.ca_file));
  } else if (!Reader::is_readable_file(redis.ca_file)) {
    reader.fail_value(k_ca, "a readable file with certificates (PEM)");
  }
}

std::string refusal(const std::string& expected) {
  return "expected " + expected +
         ", as in redis://[[user]:password@]host[:port][/db], rediss://... or"
         " unix:///path[?db=N]; its value is not shown";
}

}  // namespace

RedisConfig read_redis(Reader& reader) {
  RedisConfig redis{.ca_file = reader.text(k_ca), .url_file = reader.file_of(k_url).value_or("")};
  const auto url = reader.given(k_url);
  if (!url) {
    if (!redis.ca_file.empty()) {
      reader.fail(k_url, "expected together with " + std::string(k_ca) + "; it is not set");
    }
    return redis;
  }
  if (const auto expected = UrlParser(redis).parse(*url); !expected.empty()) {
    reader.fail(k_url, refusal(expected));
    return redis;
  }
  check_trust(reader, redis);
  return redis;
}

RedisConfig redis_now(const RedisConfig& redis) {
  if (redis.url_file.empty() || is_read_only_once(redis.url_file)) return redis;
  const auto read = read_secret_file(redis.url_file);
  if (!read.fault.empty()) {
    throw std::runtime_error(file_variable(k_url) + ": " + redis.url_file + " " + read.fault);
  }
  RedisConfig now{.ca_file = redis.ca_file, .url_file = redis.url_file};
  if (const auto expected = UrlParser(now).parse(read.secret); !expected.empty()) {
    throw std::runtime_error(redis.url_file + ": " + refusal(expected));
  }
  return now;
}

std::string redis_text(const RedisConfig& redis) {
  if (!redis.is_given()) return "";
  const std::string user = redis.password.empty() ? "" : redis.username + ":***@";
  const std::string database = std::to_string(redis.database);
  if (!redis.socket.empty()) return "unix://" + user + redis.socket + "?db=" + database;
  const bool is_ipv6 = redis.host.find(':') != std::string::npos;
  return std::string(redis.encryption == Encryption::kTls ? "rediss://" : "redis://") + user +
         (is_ipv6 ? "[" + redis.host + "]" : redis.host) + ":" + std::to_string(redis.port) + "/" +
         database;
}

}  // namespace bronze::config
