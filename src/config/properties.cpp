#include "config/properties.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "config/endpoint.h"

namespace bronze::config {
namespace {

constexpr std::string_view k_name = "KAFKA_PROPERTIES";

struct Forbidden {
  /// A trailing `*` stands for any ending, a leading one for any beginning.
  std::string_view pattern;
  std::string_view why;
};

constexpr std::string_view k_no_commits =
    "progress is kept in the tables and committed only after them";
constexpr std::string_view k_no_callbacks = "it is not a setting of the service's user";

constexpr auto k_forbidden = std::to_array<Forbidden>({
    {"bootstrap.servers", "set KAFKA_BOOTSTRAP_SERVERS"},
    {"metadata.broker.list", "set KAFKA_BOOTSTRAP_SERVERS"},
    {"group.id", "set KAFKA_CONSUMER_GROUP"},
    {"session.timeout.ms", "set KAFKA_SESSION_TIMEOUT_MS"},
    {"security.protocol", "set KAFKA_SECURITY_PROTOCOL"},
    {"sasl.mechanism", "set KAFKA_SASL_MECHANISM"},
    {"sasl.mechanisms", "set KAFKA_SASL_MECHANISM"},
    {"sasl.username", "set KAFKA_SASL_USERNAME"},
    {"sasl.password", "set KAFKA_SASL_PASSWORD"},
    {"topic.blacklist", "it would hide topics of KAFKA_TOPICS"},
    {"queued.max.messages.kbytes", "MEMORY_LIMIT_MB decides the size of the queue"},
    {"fetch.max.bytes", "MEMORY_LIMIT_MB decides the size of a fetch"},
    {"enable.auto.commit", k_no_commits},
    {"auto.commit.enable", k_no_commits},
    {"auto.commit.interval.ms", k_no_commits},
    {"enable.auto.offset.store", k_no_commits},
    {"offset.store.*", k_no_commits},
    {"auto.offset.reset", "set KAFKA_START; any other reset would lose or double records"},
    {"partition.assignment.strategy", "the service relies on cooperative-sticky"},
    {"group.protocol.type", "the service relies on the consumer protocol"},
    {"group.remote.assignor", "the service relies on the classic group protocol"},
    {"check.crcs", "checksums are always checked"},
    {"enable.partition.eof", "the service relies on end-of-partition events"},
    {"enabled_events", "the service chooses its events"},
    {"plugin.library.paths", "foreign code could change what is delivered"},
    {"interceptors", "foreign code could change what is delivered"},
    {"test.mock.*", "it would replace the brokers by invented ones"},
    {"*_cb", k_no_callbacks},
    {"opaque", k_no_callbacks},
    {"default_topic_conf", k_no_callbacks},
    {"log.queue", k_no_callbacks},
});

/// Allowed with one value only.
struct Pinned {
  std::string_view key;
  std::string_view value;
  std::string_view why;
};

constexpr auto k_pinned = std::to_array<Pinned>({
    {"isolation.level", "read_committed", "records of aborted transactions would be copied"},
    {"group.protocol", "classic", "the service relies on the classic group protocol"},
});

/// Files that librdkafka opens later, with errors that do not name the variable.
constexpr auto k_file_properties = std::to_array<std::string_view>({
    "ssl.key.location",
    "ssl.certificate.location",
    "ssl.keystore.location",
    "ssl.crl.location",
});

bool matches(std::string_view pattern, std::string_view key) {
  if (pattern.ends_with('*')) return key.starts_with(pattern.substr(0, pattern.size() - 1));
  if (pattern.starts_with('*')) return key.ends_with(pattern.substr(1));
  return key == pattern;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view k_blank = " \t\r";
  const std::size_t first = text.find_first_not_of(k_blank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(k_blank) - first + 1);
}

bool is_property_name(std::string_view key) {
  return !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

bool is_secret(const Properties::value_type& property) {
  return is_secret_property(property.first);
}

/// Instead of a name that may be a part of a secret: one with a semicolon in it looks like two
/// entries.
std::string entry_at(std::size_t position) {
  return "entry " + std::to_string(position) +
         " (not shown: it may be a part of a value, since values cannot hold ';')";
}

/// `name` is what to call the key.
std::optional<std::string> objection(const std::string& key, const std::string& value,
                                     const std::string& name) {
  const std::string lower = Reader::lower_case(key);
  for (const Forbidden& rule : k_forbidden) {
    if (matches(rule.pattern, lower)) {
      return name + " is not allowed: " + std::string(rule.why);
    }
  }
  for (const Pinned& rule : k_pinned) {
    if (rule.key == lower && rule.value != value) {
      return name + " may only be " + std::string(rule.value) + ": " + std::string(rule.why);
    }
  }
  if (lower.ends_with(".url") && !is_endpoint(value)) {
    return "the value of " + name +
           " is expected to be http(s)://host[:port][/path], without user or query";
  }
  const bool names_file = std::ranges::find(k_file_properties, lower) != k_file_properties.end();
  if (names_file && !Reader::is_readable_file(value)) {
    return name + " names a file that is unreadable";
  }
  if (std::ranges::any_of(value, [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return "the value of " + name + " holds control characters";
  }
  return std::nullopt;
}

std::vector<std::string_view> split_entries(std::string_view text) {
  std::vector<std::string_view> entries;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(";\n");
    const std::string_view entry = trimmed(text.substr(0, end));
    if (!entry.empty()) entries.push_back(entry);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return entries;
}

}  // namespace

Properties read_kafka_properties(Reader& reader) {
  const std::string text = reader.text(k_name);
  Properties properties;
  std::size_t position = 0;
  for (const std::string_view entry : split_entries(text)) {
    ++position;
    const std::size_t equals = entry.find('=');
    const std::string key(trimmed(entry.substr(0, equals)));
    if (equals == std::string_view::npos || !is_property_name(key)) {
      reader.fail(k_name, "expected key=value, one a line or separated by ';'; entry " +
                              std::to_string(position) + " is not of that form (not shown)");
      continue;
    }
    const std::string value(trimmed(entry.substr(equals + 1)));
    const bool after_secret = std::ranges::any_of(properties, is_secret);
    const std::string name = after_secret ? entry_at(position) : shown(key);
    if (const auto why_not = objection(key, value, name)) {
      reader.fail(k_name, *why_not);
    } else if (std::ranges::any_of(properties, [&](const auto& p) { return p.first == key; })) {
      reader.fail(k_name, name + " is given twice");
    } else {
      properties.emplace_back(key, value);
    }
  }
  return properties;
}

std::string property_refusal(const Properties& entries, const std::string& name,
                             const std::string& reason) {
  const auto entry = std::ranges::find(entries, name, &Properties::value_type::first);
  const bool is_known = !reason.starts_with("No such configuration property");
  const bool is_name = name.find('.') != std::string::npos;
  if (is_known || (is_name && std::none_of(entries.begin(), entry, is_secret))) {
    return "librdkafka refuses " + name + ": " + reason;
  }
  return "librdkafka does not know the name of " +
         entry_at(static_cast<std::size_t>(entry - entries.begin()) + 1);
}

std::string property_in(std::string_view text, std::string_view key) {
  for (const std::string_view entry : split_entries(text)) {
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos || trimmed(entry.substr(0, equals)) != key) continue;
    return std::string(trimmed(entry.substr(equals + 1)));
  }
  return {};
}

bool is_secret_property(std::string_view key) {
  const std::string lower = Reader::lower_case(key);
  if (lower.ends_with(".url") || lower.ends_with(".location") || lower.ends_with(".file")) {
    return false;
  }
  constexpr auto k_tell_tales = std::to_array<std::string_view>({
      "password",
      "passphrase",
      "secret",
      "token",
      "credential",
      "jaas",
      "key.pem",
      "private",
      "ssl_key",
      "oauthbearer.config",
      "oauthbearer.extensions",
      "kinit.cmd",
  });
  return std::ranges::any_of(k_tell_tales, [&](std::string_view tell_tale) {
    return lower.find(tell_tale) != std::string::npos;
  });
}

std::string masked(const Properties& properties) {
  std::string out;
  for (const auto& [key, value] : properties) {
    if (!out.empty()) out += ';';
    out += key + "=" + (is_secret_property(key) ? "***" : value);
  }
  return out;
}

}  // namespace bronze::config
