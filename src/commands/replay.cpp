#include "commands/replay.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <exception>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "commands/topic_match.h"
#include "commands/verify.h"
#include "config/rfc3339.h"
#include "config/topic_pattern.h"
#include "config/topic_tables.h"

namespace bronze::commands {
namespace {

/// A batch whose letters come slowly must not grow old.
constexpr std::chrono::seconds k_batch_age_max{60};
/// The share of MEMORY_LIMIT_MB that a batch may hold.
constexpr std::uint64_t k_batch_share = 8;
constexpr std::array<std::string_view, 3> k_error_types{"ENCODING_ERROR", "JSON_PARSE_ERROR",
                                                        "SCHEMA_VALIDATION_ERROR"};

/// Reads the arguments and collects what is wrong.
class ArgumentReader {
 public:
  explicit ArgumentReader(const ReplayArguments& given) : given_(given) {}

  std::variant<ReplaySettings, std::vector<config::ConfigError>> read() {
    settings_.mode = given_.mode;
    for (const auto& topic : given_.topics) read_topic(topic);
    for (const auto& type : given_.error_types) read_error_type(type);
    if (!given_.since.empty()) settings_.query.since = time("--since", given_.since);
    if (!given_.until.empty()) settings_.query.until = time("--until", given_.until);
    if (given_.partition >= 0) settings_.query.partition = Partition{given_.partition};
    if (!given_.offsets.empty()) read_offsets();
    if (settings_.query.since >= settings_.query.until) {
      refuse("--until", "no time is at or after --since and before --until");
    }
    if (!errors_.empty()) return std::move(errors_);
    return std::move(settings_);
  }

 private:
  void refuse(const char* option, std::string why) { errors_.push_back({option, std::move(why)}); }

  void read_topic(const std::string& topic) {
    if (!topic.starts_with('^')) {
      const std::string why = refused_topic(topic);
      if (!why.empty()) refuse("--topic", why);
      settings_.topics.push_back(topic);
      return;
    }
    const auto fault = config::TopicPattern(topic).fault();
    if (fault) refuse("--topic", fmt::format("'{}' is no regular expression: {}", topic, *fault));
    settings_.patterns.push_back(topic);
  }

  void read_error_type(const std::string& type) {
    std::string known;
    for (const auto name : k_error_types) {
      if (name == type) return settings_.query.error_types.push_back(type);
      known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
    }
    refuse("--error-type", fmt::format("'{}' is none of {}", type, known));
  }

  UnixMicros time(const char* option, const std::string& text) {
    constexpr std::int64_t k_micros_a_milli = 1'000;
    const auto milliseconds = config::parse_rfc3339(text);
    if (!milliseconds) {
      refuse(option, fmt::format("'{}' is not a time such as 2026-01-31T10:30:00Z", text));
    }
    return milliseconds.value_or(0) * k_micros_a_milli;
  }

  void read_offsets() {
    const std::string_view text = given_.offsets;
    const auto hyphen = text.find('-');
    const auto offset = [](std::string_view part) -> std::optional<std::int64_t> {
      std::int64_t value = 0;
      const auto parsed = std::from_chars(part.data(), part.data() + part.size(), value);
      const bool is_number = parsed.ec == std::errc{} && parsed.ptr == part.data() + part.size();
      return is_number && value >= 0 ? std::optional(value) : std::nullopt;
    };
    const auto first =
        hyphen == std::string_view::npos ? std::nullopt : offset(text.substr(0, hyphen));
    const auto next = first ? offset(text.substr(hyphen + 1)) : std::nullopt;
    if (!next || *first >= *next) {
      return refuse("--offsets", fmt::format("'{}' is not FIRST-NEXT such as 100-200: from offset "
                                             "100 to before 200",
                                             text));
    }
    settings_.query.offsets = {Offset{*first}, Offset{*next}};
  }

  const ReplayArguments& given_;
  ReplaySettings settings_;
  std::vector<config::ConfigError> errors_;
};

/// The topics that are meant, and those that nobody named.
struct Topics {
  std::vector<std::string> named;
  std::vector<std::string> matched;
};

Topics topics_of(const config::Config& config, const ReplaySettings& settings,
                 const ReplayAccess& access, ReplayReport& report) {
  config::Config wanted = config;
  if (!settings.topics.empty() || !settings.patterns.empty()) {
    wanted.kafka.topics = settings.topics;
    wanted.kafka.patterns = settings.patterns;
  }
  Topics topics{.named = wanted.kafka.topics, .matched = {}};
  if (wanted.kafka.patterns.empty()) return topics;
  const auto look = access.look({
      .topics = {},
      .more_topics =
          [&](const std::vector<std::string>& all) {
            topics.matched = match_topics(wanted, all).topics;
            return std::vector<std::string>{};
          },
      .unix_ms = std::nullopt,
      .timeout = settings.timeout,
  });
  const auto& trouble = look.trouble.any() ? look.trouble : look.list_trouble;
  if (trouble.any()) {
    report.topics_unknown =
        "Kafka does not tell which topics the regular expressions match; name the topics by "
        "--topic: " +
        trouble.text();
  }
  return topics;
}

}  // namespace

std::variant<ReplaySettings, std::vector<config::ConfigError>> replay_settings(
    const ReplayArguments& arguments) {
  return ArgumentReader(arguments).read();
}

ReplayReport replay(const config::Config& config, const ReplaySettings& settings,
                    const ReplayAccess& access, const TellProgress& tell) {
  ReplayReport report;
  report.mode = settings.mode;
  const Topics topics = topics_of(config, settings, access, report);
  const TopicReplaySettings of_topic{
      .group = config.kafka.consumer_group,
      .mode = settings.mode,
      .raw_value = config.raw_value,
      .batch = {.held_bytes = config.memory_limit_bytes / k_batch_share, .age = k_batch_age_max},
      .write_retry = config.write_retry};
  const auto add = [&](const std::string& topic) {
    ReplayedTopic replayed;
    try {
      const auto dead_letters = access.reader(config::dead_letter_directory(topic));
      const auto rows = access.reader(config::table_directory(topic));
      const auto table = access.table(config::table_directory(topic));
      const auto decoder = access.decoder(topic);
      delta::LetterQuery query = settings.query;
      query.topic = topic;
      replayed = TopicReplay(of_topic,
                             {.dead_letters = *dead_letters,
                              .rows = *rows,
                              .table = *table,
                              .decoder = *decoder,
                              .clock = access.clock,
                              .sleep = access.sleep},
                             std::move(query), tell)
                     .run();
    } catch (const std::exception& error) {
      replayed.topic = topic;
      replayed.table = config::table_directory(topic);
      replayed.dead_letter_table = config::dead_letter_directory(topic);
      replayed.status = ReplayStatus::kFailed;
      replayed.message = error.what();
    }
    report.topics.push_back(std::move(replayed));
  };
  for (const auto& topic : topics.named) add(topic);
  for (const auto& topic : topics.matched) add(topic);
  return report;
}

}  // namespace bronze::commands
