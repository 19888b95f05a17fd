#include "app.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/resident_code.h"
#include "batch/schema.h"
#include "cache/state_cache.h"
#include "config/kafka_security.h"
#include "config/properties.h"
#include "config/redis_config.h"
#include "config/topic_tables.h"
#include "ingest/worker_pool.h"
#include "observe/http_server.h"
#include "service_pages.h"
#include "value_checks.h"
#include "version.h"

namespace bronze {
namespace {

/// A batch must be committed before another engine's VACUUM could take its files for orphans.
constexpr std::chrono::minutes k_file_age_max{30};
constexpr std::chrono::seconds k_store_connect_timeout{5};
constexpr std::chrono::seconds k_store_request_timeout{30};
constexpr std::chrono::milliseconds k_redis_timeout{500};
constexpr std::chrono::milliseconds k_revoke_budget_max{5'000};
constexpr std::chrono::milliseconds k_topic_refresh_max{10'000};
constexpr std::size_t k_workers_max = 8;

std::vector<kafka::SecretSource> secret_sources(const config::KafkaConfig& kafka) {
  std::vector<kafka::SecretSource> sources;
  for (const auto& secret : kafka.secret_files) {
    auto& source =
        sources.emplace_back(kafka::SecretSource{.property = secret.property, .path = secret.path});
    if (secret.holds == config::SecretProperty::Holds::kKafkaProperties) {
      source.find = [property = secret.property](const std::string& text) {
        return config::property_in(text, property);
      };
    }
  }
  return sources;
}

}  // namespace

kafka::SourceSettings source_settings(const config::Config& config) {
  const config::KafkaConfig& kafka = config.kafka;
  kafka::SourceSettings settings{.properties = config::security_properties(kafka),
                                 .secrets = secret_sources(kafka),
                                 .group = kafka.consumer_group,
                                 .queue_bytes = config.memory_limit_bytes / 20};
  settings.properties.insert(
      settings.properties.end(),
      {{"bootstrap.servers", kafka.bootstrap_servers},
       {"client.id", "bronze"},
       {"session.timeout.ms", std::to_string(kafka.session_timeout.count())}});
  settings.properties.insert(settings.properties.end(), kafka.extra.begin(), kafka.extra.end());
  if (!kafka.patterns.empty()) {
    std::string hidden;
    for (const auto prefix : config::k_unmatched_prefixes) {
      hidden += fmt::format("{}^{}", hidden.empty() ? "" : ",", prefix);
    }
    settings.properties.emplace_back("topic.blacklist", hidden);
  }
  return settings;
}

namespace {

#ifdef BRONZE_TEST_HOOKS
/// BRONZE_STORE_TIMEOUT_MS, so that a test need not wait for long to be given up.
std::chrono::milliseconds store_request_timeout() {
  const auto shorter = config::process_environment()("BRONZE_STORE_TIMEOUT_MS");
  return shorter ? std::chrono::milliseconds(std::stoll(*shorter)) : k_store_request_timeout;
}
#else
constexpr std::chrono::milliseconds store_request_timeout() { return k_store_request_timeout; }
#endif

}  // namespace

delta::StoreSettings store_settings(const config::Config& config) {
  return {.base_uri = config.store.base_uri,
          .options = config.store.options,
          .engine_info = std::string("bronze/") + k_version,
          .connect_timeout = k_store_connect_timeout,
          .request_timeout = store_request_timeout(),
          .compression = config.compression};
}

namespace {

cache::RedisSettings redis_settings_of(const config::RedisConfig& config) {
  using Encryption = cache::RedisSettings::Encryption;
  const bool encrypted = config.encryption == config::RedisConfig::Encryption::kTls;
  return {.socket = config.socket,
          .host = config.host,
          .port = config.port,
          .encryption = encrypted ? Encryption::kTls : Encryption::kNone,
          .ca_file = config.ca_file,
          .username = config.username,
          .password = config.password,
          .database = config.database,
          .timeout = k_redis_timeout};
}

}  // namespace

cache::RedisServer::Settings redis_settings(const config::RedisConfig& config) {
  return [config] { return redis_settings_of(config::redis_now(config)); };
}

namespace {

std::optional<std::string> refused_redis(const config::RedisConfig& config) {
  if (!config.is_given()) return std::nullopt;
  try {
    const cache::RedisServer server(redis_settings(config));
  } catch (const std::exception& refused) {
    return refused.what();
  }
  return std::nullopt;
}

std::unique_ptr<cache::StateCache> state_cache(const config::RedisConfig& config, EventLog& log) {
  if (!config.is_given()) return nullptr;
  return std::make_unique<cache::StateCache>(
      std::make_unique<cache::RedisServer>(redis_settings(config)), cache::StateCacheSettings{},
      log);
}

ingest::IngestSettings ingest_settings(const config::Config& config, ingest::RunMode mode) {
  return {.mode = mode,
          .patterns = config.kafka.patterns,
          .poll_wait_max = config.kafka.poll_timeout,
          .shutdown_timeout = config.shutdown_timeout,
          .revoke_budget = std::min(k_revoke_budget_max, config.kafka.poll_interval / 3),
          .batch_bytes_max = config.memory_limit_bytes / 8,
          .kafka_name = config.kafka.bootstrap_servers,
          .store_name = config.store.base_uri};
}

void log_notices(const delta::DeltaStore& store, EventLog& log) {
  for (const auto& notice : store.take_notices()) {
    switch (notice.renewal) {
      case delta::StoreNotice::Renewal::kRenewed:
        spdlog::info("the store gets credentials of {}", notice.text);
        break;
      case delta::StoreNotice::Renewal::kFailed:
        log.tell(LogEvent::kRetry, {.operation = "renew_credentials", .reason = notice.text},
                 "the store's credentials cannot be renewed, trying again; {}", notice.text);
        break;
    }
  }
}

ingest::DeadLetterPolicy dead_letter_policy(const config::DeadLetterConfig& config) {
  using ingest::DeadLetterPolicy;
  if (config.table == config::DeadLetterConfig::Table::kOff) return DeadLetterPolicy::kNever;
  return config.validation == config::Validation::kUtf8 ? DeadLetterPolicy::kWhenAny
                                                        : DeadLetterPolicy::kAlways;
}

ingest::LaneSettings lane_settings(const config::Config& config, const std::string& topic,
                                   std::size_t lane, ingest::RunMode mode) {
  auto properties = ingest::raw_value_properties(config.raw_value);
  properties.emplace("delta.checkpointInterval", "100");
  return {.writer = {.topic = topic,
                     .lane = lane,
                     .group = config.kafka.consumer_group,
                     .flush = {.interval = config.batch.interval,
                               .max_bytes = config.batch.max_bytes,
                               .max_rows = config.batch.max_rows},
                     .write_retry = config.write_retry,
                     .file_age_max = k_file_age_max,
                     .dead_letters = dead_letter_policy(config.dead_letters)},
          .start = config.kafka.start,
          .start_source = config.kafka.start_source,
          .policies = config.policies,
          .mode = mode,
          .table_spec = {.schema_json = batch::table_schema(config.extra_columns, config.raw_value),
                         .partition_columns = {batch::k_partition_column},
                         .configuration = std::move(properties)},
          .dead_letter_spec = {.schema_json = batch::dead_letter_schema(),
                               .partition_columns = {},
                               .configuration = {{"delta.checkpointInterval", "100"}}},
          .extra_columns = config.extra_columns};
}

/// The references outlive what the factory makes.
ingest::LaneFactory lane_factory(const config::Config& config, ingest::RunMode mode,
                                 const ingest::IngestParts& parts, const delta::DeltaStore& store,
                                 const ValueRules& rules) {
  using Made = std::variant<std::unique_ptr<ingest::Lane>, ingest::TopicRefused>;
  return [config, mode, parts, &store, &rules,
          tables = config::TopicTables(config::topic_bytes_max(config.store))](
             const std::string& topic, std::size_t lane) mutable -> Made {
    if (const auto why_not = tables.claim(topic)) return ingest::TopicRefused{*why_not};
    auto made = rules.checks_of(topic);
    if (auto* fault = std::get_if<std::string>(&made)) return ingest::TopicRefused{*fault};
    auto& checks = std::get<ValueChecks>(made);
    auto settings = lane_settings(config, topic, lane, mode);
    settings.decoder = checks.decoder;
    return std::make_unique<ingest::Lane>(
        std::move(settings),
        ingest::LaneParts{.source = parts.source,
                          .executor = parts.executor,
                          .clock = parts.clock,
                          .log = parts.log,
                          .watch = parts.watch,
                          .table = store.table(config::table_directory(topic)),
                          .dead_letters = store.table(config::dead_letter_directory(topic)),
                          .validator = std::move(checks.validator)});
  };
}

/// Nobody knows how many topics patterns will match.
std::size_t worker_count(const config::KafkaConfig& kafka) {
  if (!kafka.patterns.empty()) return k_workers_max;
  return std::clamp<std::size_t>(kafka.topics.size(), 2, k_workers_max);
}

}  // namespace

struct App::Parts {
  ResidentCodeTrim code;
  ingest::ReportBoard board;
  /// nullptr = there is none.
  std::unique_ptr<cache::StateCache> cache;
  std::unique_ptr<delta::DeltaStore> store;
  std::unique_ptr<ServicePages> pages;
  std::unique_ptr<observe::HttpServer> http;
  std::unique_ptr<ValueRules> rules;
  std::unique_ptr<kafka::RdKafkaSource> source;
  std::unique_ptr<ingest::TopicWatch> watch;
  std::unique_ptr<ingest::WorkerPool> workers;
  std::unique_ptr<ingest::Ingest> ingest;
};

std::vector<config::ConfigError> refused_settings(const config::Config& config) {
  std::vector<config::ConfigError> errors;
  for (const auto& [name, reason] : kafka::refused_properties(source_settings(config))) {
    errors.push_back(
        {"KAFKA_PROPERTIES", config::property_refusal(config.kafka.extra, name, reason)});
  }
  for (auto& error : refused_schemas(config)) errors.push_back(std::move(error));
  if (const auto why = refused_redis(config.redis)) {
    errors.push_back({config.redis.ca_file.empty() ? "REDIS_URL" : "REDIS_CA", *why});
  }
  return errors;
}

App::App(const config::Config& config, ingest::RunMode mode, const Clock& clock, EventLog& log)
    : parts_(std::make_unique<Parts>()) {
  Parts& parts = *parts_;
  const SteadyTime started_at = clock.now();
  parts.board.publish({.started_at = started_at,
                       .last_turn = started_at,
                       .last_broker_answer = {},
                       .last_write = {},
                       .lanes = {}});
  parts.pages = std::make_unique<ServicePages>(config, parts.board, clock);
  parts.board.on_publish([&parts, &log](const auto& report) {
    parts.pages->note(report);
    log_notices(*parts.store, log);
  });
  parts.http = std::make_unique<observe::HttpServer>(config.http.host, config.http.port,
                                                     parts.pages->pages(), log);
  parts.cache = state_cache(config.redis, log);
  parts.store = std::make_unique<delta::DeltaStore>(store_settings(config), parts.cache.get());
  parts.pages->set_pulse([store = parts.store.get()] { return store->pulse(); });
  if (parts.cache) {
    parts.pages->set_cache([cache = parts.cache.get()] { return cache->counts(); });
  }
  parts.rules = std::make_unique<ValueRules>(config);
  parts.source = std::make_unique<kafka::RdKafkaSource>(source_settings(config), log);
  parts.watch = std::make_unique<ingest::TopicWatch>(
      *parts.source, clock,
      // Often enough for /health to know in time that no broker answers.
      ingest::TopicWatch::Settings{
          .topics = config.kafka.topics,
          .refresh = std::min(k_topic_refresh_max, config.health.max_write_age / 3)});
  parts.workers = std::make_unique<ingest::WorkerPool>(
      worker_count(config.kafka), [source = parts.source.get()] { source->wake(); });
  const ingest::IngestParts ingest_parts{.source = *parts.source,
                                         .executor = *parts.workers,
                                         .clock = clock,
                                         .log = log,
                                         .watch = *parts.watch,
                                         .board = parts.board};
  auto make_lane = lane_factory(config, mode, ingest_parts, *parts.store, *parts.rules);
  std::vector<std::unique_ptr<ingest::Lane>> lanes;
  for (const auto& topic : config.kafka.topics) {
    // The configuration has refused names that are refused here.
    lanes.push_back(std::get<std::unique_ptr<ingest::Lane>>(make_lane(topic, lanes.size())));
  }
  parts.ingest = std::make_unique<ingest::Ingest>(
      ingest_settings(config, mode), ingest_parts, std::move(lanes),
      [store = parts.store.get()] { return store->probe(); }, std::move(make_lane));
}

App::~App() { parts_->workers->stop(); }

ingest::IngestEnd App::run() {
  const auto end = parts_->ingest->run();
  if (parts_->cache) parts_->cache->drain();
  return end;
}

void App::request_stop() { parts_->ingest->request_stop(); }

}  // namespace bronze
