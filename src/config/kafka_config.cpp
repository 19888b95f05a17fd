#include "config/kafka_config.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "config/endpoint.h"
#include "config/kafka_security.h"
#include "config/properties.h"
#include "config/rfc3339.h"
#include "config/topic_pattern.h"

namespace bronze::config {
namespace {

constexpr std::size_t k_topic_chars_max = 249;
constexpr std::size_t k_group_bytes_max = 255;
/// librdkafka's default for max.poll.interval.ms, below which the session time-out must stay.
constexpr std::uint64_t k_poll_interval_ms_default = 300'000;

bool is_topic_name(const std::string& name) {
  return !name.empty() && name.size() <= k_topic_chars_max && name != "." && name != ".." &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '.' || c == '_' || c == '-';
         });
}

/// topic.blacklist, which keeps patterns off some names, knows no exception for a listed one.
void refuse_hidden_names(Reader& reader, const KafkaConfig& kafka) {
  if (kafka.patterns.empty()) return;
  for (const std::string& topic : kafka.topics) {
    for (const std::string_view prefix : k_unmatched_prefixes) {
      if (!topic.starts_with(prefix)) continue;
      reader.fail("KAFKA_TOPICS", shown(topic) + " cannot be listed beside a regular expression: " +
                                      "names that begin with " + std::string(prefix) +
                                      " are hidden then; copy it with another instance and group");
    }
  }
}

void read_topics(Reader& reader, KafkaConfig& kafka) {
  constexpr std::string_view k_name = "KAFKA_TOPICS";
  std::set<std::string> seen;
  for (std::string& topic : split_at_commas(reader.text(k_name))) {
    const bool is_pattern = topic.starts_with('^');
    if (const auto fault = is_pattern ? TopicPattern(topic).fault() : std::nullopt) {
      reader.fail(k_name, shown(topic) +
                              " is not a regular expression (POSIX extended, without "
                              "a comma): " +
                              *fault);
      continue;
    }
    if (!is_pattern && !is_topic_name(topic)) {
      reader.fail(k_name,
                  "expected topic names of 1 to 249 characters out of a-z A-Z 0-9 . _ -"
                  " (not . or ..), or regular expressions that begin with ^, separated by"
                  " commas; one is " +
                      shown(topic));
      continue;
    }
    if (!seen.insert(topic).second) {
      reader.fail(k_name, shown(topic) + " is listed twice");
      continue;
    }
    (is_pattern ? kafka.patterns : kafka.topics).push_back(std::move(topic));
  }
  refuse_hidden_names(reader, kafka);
}

/// `host`, `host:port`, `[v6]:port`, each with an optional `PROTOCOL://` in front.
bool is_broker(std::string_view broker) {
  if (const auto scheme = broker.find("://"); scheme != std::string_view::npos) {
    broker.remove_prefix(scheme + 3);
  }
  const std::size_t bracket = broker.starts_with('[') ? broker.find(']') : 0;
  if (bracket == std::string_view::npos) return false;
  const std::size_t colon = broker.find(':', bracket);
  const std::string_view host = broker.substr(0, colon);
  const bool host_is_good = !host.empty() && std::ranges::all_of(host, [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '/' && c != '@';
  });
  if (colon == std::string_view::npos) return host_is_good;
  const auto port = parse_whole_number(broker.substr(colon + 1));
  return host_is_good && port && *port >= 1 && *port <= 65535;
}

std::string read_bootstrap_servers(Reader& reader) {
  constexpr std::string_view k_name = "KAFKA_BOOTSTRAP_SERVERS";
  std::string servers;
  for (const std::string& broker : split_at_commas(reader.text(k_name))) {
    if (!is_broker(broker)) {
      reader.fail(k_name,
                  "expected host:port, several separated by commas; " + told(reader.text(k_name)));
      return {};
    }
    servers += (servers.empty() ? "" : ",") + broker;
  }
  return servers;
}

std::string read_group(Reader& reader) {
  constexpr std::string_view k_name = "KAFKA_CONSUMER_GROUP";
  std::string group = reader.text(k_name);
  const bool is_clean =
      std::ranges::none_of(group, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (group.size() > k_group_bytes_max || !is_clean || group.starts_with(' ') ||
      group.ends_with(' ')) {
    reader.fail_value(k_name, "at most 255 bytes without control characters or spaces at the ends");
  }
  return group;
}

StartPolicy read_start(Reader& reader) {
  constexpr std::string_view k_name = "KAFKA_START";
  const std::string text = reader.text(k_name);
  const std::string lower = Reader::lower_case(text);
  if (lower == "earliest") return StartEarliest{};
  if (lower == "latest") return StartLatest{};
  if (const auto unix_ms = parse_rfc3339(text)) return StartAtTime{*unix_ms};
  reader.fail_value(k_name, "earliest, latest or a time such as 2024-01-15T10:30:00Z");
  return StartEarliest{};
}

std::chrono::milliseconds poll_interval_in(const Properties& properties) {
  std::uint64_t milliseconds = k_poll_interval_ms_default;
  for (const auto& [key, value] : properties) {
    if (key == "max.poll.interval.ms") {
      milliseconds = parse_whole_number(value).value_or(milliseconds);
    }
  }
  return std::chrono::milliseconds{static_cast<std::int64_t>(milliseconds)};
}

void check_session_timeout(Reader& reader, const KafkaConfig& kafka) {
  if (kafka.session_timeout <= kafka.poll_interval) return;
  reader.fail_value("KAFKA_SESSION_TIMEOUT_MS", "at most max.poll.interval.ms, which is " +
                                                    std::to_string(kafka.poll_interval.count()));
}

std::chrono::milliseconds read_milliseconds(Reader& reader, std::string_view name,
                                            WholeNumberRange range) {
  return std::chrono::milliseconds{static_cast<std::int64_t>(reader.whole_number(name, range))};
}

}  // namespace

KafkaConfig read_kafka_config(Reader& reader) {
  KafkaConfig kafka;
  kafka.bootstrap_servers = read_bootstrap_servers(reader);
  kafka.consumer_group = read_group(reader);
  read_topics(reader, kafka);
  kafka.start = read_start(reader);
  if (reader.given("KAFKA_START")) kafka.start_source = StartSource::kExplicit;
  kafka.poll_timeout =
      read_milliseconds(reader, "KAFKA_POLL_TIMEOUT_MS", {.min = 1, .max = 60'000});
  kafka.session_timeout =
      read_milliseconds(reader, "KAFKA_SESSION_TIMEOUT_MS", {.min = 1'000, .max = 3'600'000});
  kafka.extra = read_kafka_properties(reader);
  read_kafka_security(reader, kafka);
  kafka.poll_interval = poll_interval_in(kafka.extra);
  check_session_timeout(reader, kafka);
  return kafka;
}

}  // namespace bronze::config
