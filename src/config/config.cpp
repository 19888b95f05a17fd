#include "config/config.h"

#include <algorithm>
#include <array>
#include <limits>

#include "config/compression_config.h"
#include "config/extra_columns_config.h"
#include "config/kafka_config.h"
#include "config/reader.h"
#include "config/redis_config.h"
#include "config/schema_config.h"
#include "config/store_config.h"
#include "config/topic_tables.h"

namespace bronze::config {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t k_mb = std::uint64_t{1024} * 1024;
constexpr std::uint64_t k_memory_mb_min = 64;
constexpr std::uint64_t k_memory_mb_max = std::uint64_t{16} * 1024 * 1024;
constexpr std::uint64_t k_memory_mb_default_max = 256;
constexpr std::uint64_t k_signed_max = std::numeric_limits<std::int64_t>::max();
/// A batch older than the age at which another engine's clean-up may delete its files is thrown
/// away (30 minutes); an interval above this leaves no time to write it.
constexpr seconds k_batch_interval_max{1'200};

BatchConfig read_batch(Reader& reader) {
  return {
      .interval = reader.seconds("BATCH_INTERVAL_SECONDS",
                                 {.min = milliseconds{1}, .max = k_batch_interval_max}),
      .max_bytes = reader.whole_number("BATCH_MAX_BYTES", {.min = 0, .max = k_signed_max}),
      .max_rows = reader.whole_number("BATCH_MAX_ROWS", {.min = 0, .max = k_signed_max}),
  };
}

HealthConfig read_health(Reader& reader) {
  using Choice = std::pair<std::string_view, IdleHealth>;
  constexpr auto k_choices = std::to_array<Choice>({
      {"healthy", IdleHealth::kHealthy},
      {"unhealthy", IdleHealth::kUnhealthy},
  });
  return {
      .max_write_age = reader.seconds("HEALTH_MAX_WRITE_AGE_SECONDS",
                                      {.min = milliseconds{1}, .max = seconds{86'400}}),
      .when_idle = reader.choice<IdleHealth>("HEALTH_WHEN_IDLE", k_choices),
  };
}

HttpConfig read_http(Reader& reader) {
  constexpr std::string_view k_host = "HTTP_HOST";
  std::string host = reader.text(k_host);
  const bool is_host = std::ranges::all_of(host, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == ':' || c == '-' || c == '_';
  });
  if (!is_host || host.size() > 255) {
    reader.fail_value(k_host, "an address or host name such as 0.0.0.0, :: or localhost");
  }
  const auto port = reader.whole_number("HTTP_PORT", {.min = 1, .max = 65'535});
  return {.host = std::move(host), .port = static_cast<std::uint16_t>(port)};
}

LogConfig read_log(Reader& reader) {
  using Level = std::pair<std::string_view, std::string_view>;
  constexpr auto k_levels = std::to_array<Level>({
      {"trace", "trace"},
      {"debug", "debug"},
      {"info", "info"},
      {"warn", "warn"},
      {"warning", "warn"},
      {"error", "error"},
  });
  using Format = std::pair<std::string_view, LogFormat>;
  constexpr auto k_formats = std::to_array<Format>({
      {"text", LogFormat::kText},
      {"json", LogFormat::kJson},
  });
  return {
      .level = std::string(reader.choice<std::string_view>("LOG_LEVEL", k_levels)),
      .format = reader.choice<LogFormat>("LOG_FORMAT", k_formats),
  };
}

std::uint64_t read_memory_limit(Reader& reader, std::optional<std::uint64_t> cgroup_limit_bytes) {
  constexpr std::string_view k_name = "MEMORY_LIMIT_MB";
  const std::string minimum = std::to_string(k_memory_mb_min);
  if (!reader.given(k_name)) {
    if (cgroup_limit_bytes.value_or(k_memory_mb_default_max * k_mb) <
        k_memory_mb_default_max * k_mb) {
      reader.derive(k_name, "cgroup");
    }
    const std::uint64_t bytes =
        std::min(cgroup_limit_bytes.value_or(k_memory_mb_default_max * k_mb),
                 k_memory_mb_default_max * k_mb);
    if (bytes < k_memory_mb_min * k_mb) {
      reader.fail(k_name,
                  "budget below the minimum: it is not set, and the memory limit of the"
                  " cgroup is " +
                      std::to_string(bytes / k_mb) + " MB; expected at least " + minimum + " MB");
    }
    return bytes;
  }
  const auto asked = parse_whole_number(*reader.given(k_name));
  if (asked && *asked < k_memory_mb_min) {
    reader.fail(k_name, "budget below the minimum: expected at least " + minimum + "; it is " +
                            shown(*reader.given(k_name)));
    return 0;
  }
  const std::uint64_t bytes =
      reader.whole_number(k_name, {.min = k_memory_mb_min, .max = k_memory_mb_max}) * k_mb;
  if (cgroup_limit_bytes && bytes > *cgroup_limit_bytes) {
    reader.warn("MEMORY_LIMIT_MB is above the memory limit of the cgroup (" +
                std::to_string(*cgroup_limit_bytes / k_mb) +
                " MB): the kernel may kill the process");
  }
  return bytes;
}

Policies read_policies(Reader& reader) {
  using OnLoss = std::pair<std::string_view, OnDataLoss>;
  constexpr auto k_on_loss =
      std::to_array<OnLoss>({{"stop", OnDataLoss::kStop}, {"skip", OnDataLoss::kSkip}});
  using OnRecreated = std::pair<std::string_view, OnTopicRecreated>;
  constexpr auto k_on_recreated = std::to_array<OnRecreated>(
      {{"stop", OnTopicRecreated::kStop}, {"new_epoch", OnTopicRecreated::kNewEpoch}});
  return {
      .data_loss = reader.choice<OnDataLoss>("ON_DATA_LOSS", k_on_loss),
      .topic_recreated = reader.choice<OnTopicRecreated>("ON_TOPIC_RECREATED", k_on_recreated),
  };
}

FormatChecks read_schema_formats(Reader& reader) {
  using Choice = std::pair<std::string_view, FormatChecks>;
  constexpr auto k_choices =
      std::to_array<Choice>({{"ignore", FormatChecks::kIgnore}, {"check", FormatChecks::kCheck}});
  return reader.choice<FormatChecks>("DLQ_SCHEMA_FORMATS", k_choices);
}

DeadLetterConfig read_dead_letters(Reader& reader) {
  using Table = DeadLetterConfig::Table;
  DeadLetterConfig config{.table = reader.boolean("DLQ_ENABLED") ? Table::kOn : Table::kOff,
                          .validation = Validation::kUtf8,
                          .schema_dir = reader.text("DLQ_SCHEMA_DIR")};
  if (reader.boolean("DLQ_VALIDATE_JSON")) config.validation = Validation::kJson;
  if (reader.boolean("DLQ_VALIDATE_SCHEMA")) {
    if (config.validation == Validation::kUtf8) {
      reader.derive("DLQ_VALIDATE_JSON", "DLQ_VALIDATE_SCHEMA");
    }
    config.validation = Validation::kSchema;
  }
  if (config.table == Table::kOff && config.validation != Validation::kUtf8) {
    reader.warn(
        "DLQ_ENABLED=false with DLQ_VALIDATE_JSON or DLQ_VALIDATE_SCHEMA: the first invalid value"
        " of a partition stops it");
  }
  return config;
}

void check_together(Reader& reader, const Config& config) {
  TopicTables tables(topic_bytes_max(config.store));
  for (const std::string& topic : config.kafka.topics) {
    if (const auto why_not = tables.claim(topic)) reader.fail("KAFKA_TOPICS", *why_not);
  }
  if (config.health.when_idle == IdleHealth::kUnhealthy &&
      config.batch.interval >= config.health.max_write_age) {
    reader.warn(
        "BATCH_INTERVAL_SECONDS is not below HEALTH_MAX_WRITE_AGE_SECONDS: with"
        " HEALTH_WHEN_IDLE=unhealthy /health answers 503 between the writes");
  }
}

}  // namespace

LoadResult load_config(const EnvLookup& env, std::optional<std::uint64_t> cgroup_limit_bytes) {
  Reader reader(env);
  Config config;
  config.kafka = read_kafka_config(reader);
  config.batch = read_batch(reader);
  config.store = read_store_config(reader);
  config.extra_columns = read_extra_columns(reader);
  config.raw_value = read_raw_value(reader);
  config.registry = read_registry(reader);
  config.protobuf_messages = read_protobuf_messages(reader);
  config.compression = read_compression(reader);
  config.redis = read_redis(reader);
  config.policies = read_policies(reader);
  config.dead_letters = read_dead_letters(reader);
  settle_registry(reader, config);
  config.schema_formats = read_schema_formats(reader);
  config.health = read_health(reader);
  config.http = read_http(reader);
  config.log = read_log(reader);
  config.write_retry =
      reader.seconds("WRITE_RETRY_SECONDS", {.min = milliseconds{0}, .max = seconds{86'400}});
  config.shutdown_timeout =
      reader.seconds("SHUTDOWN_TIMEOUT_SECONDS", {.min = milliseconds{1}, .max = seconds{3'600}});
  config.memory_limit_bytes = read_memory_limit(reader, cgroup_limit_bytes);
  check_together(reader, config);
  if (!reader.errors().empty()) return reader.errors();
  config.warnings = reader.warnings();
  config.sources = reader.sources();
  return config;
}

}  // namespace bronze::config
