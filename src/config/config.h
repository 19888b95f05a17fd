#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/extra_columns.h"
#include "base/format_checks.h"
#include "base/parquet_compression.h"
#include "base/policies.h"
#include "base/raw_value.h"
#include "base/start_policy.h"

namespace bronze::config {

/// Looks an environment variable up; nullopt = not set.
using EnvLookup = std::function<std::optional<std::string>(std::string_view name)>;

/// The process environment. The only getenv of the program.
[[nodiscard]] EnvLookup process_environment();

using Properties = std::vector<std::pair<std::string, std::string>>;

/// Kafka's internal topics, and dead letters that somebody put back into Kafka.
inline constexpr std::array<std::string_view, 2> k_unmatched_prefixes{"__", "dlq_bronze_"};

/// PEM: the path of a file with it, or the text itself. Both empty = none.
struct PemSource {
  std::string path;
  std::string text;

  [[nodiscard]] bool given() const { return !path.empty() || !text.empty(); }
  friend bool operator==(const PemSource&, const PemSource&) = default;
};

struct TlsConfig {
  /// That brokers' certificates are checked by; none = those of the system.
  PemSource ca;
  /// Our own, with those between it and its CA.
  PemSource certificate;
  PemSource key;
  /// Empty = the key is not encrypted.
  std::string key_password;
};

/// Tokens for OAUTHBEARER, by client credentials (OIDC). All empty = none.
struct OauthConfig {
  std::string token_url;
  std::string client_id;
  std::string client_secret;
  std::string scope;
  /// That the certificate of token_url is checked by; none = those of the system.
  PemSource ca;
};

/// A file with the value of one of librdkafka's properties, which may change while we run.
struct SecretProperty {
  std::string property;
  std::string path;
  enum class Holds { kValue, kKafkaProperties } holds = Holds::kValue;

  friend bool operator==(const SecretProperty&, const SecretProperty&) = default;
};

struct KafkaConfig {
  std::string bootstrap_servers;
  std::string consumer_group;
  /// Listed by name.
  std::vector<std::string> topics;
  /// Regular expressions (POSIX extended), each beginning with `^`. What they match besides:
  /// nothing that begins with one of k_unmatched_prefixes.
  std::vector<std::string> patterns;
  StartPolicy start;
  StartSource start_source = StartSource::kDefault;
  std::chrono::milliseconds poll_timeout{};
  std::chrono::milliseconds session_timeout{};
  /// max.poll.interval.ms of KAFKA_PROPERTIES: also how long a rebalance waits for us.
  std::chrono::milliseconds poll_interval{};
  std::string security_protocol;
  std::string sasl_mechanism;
  std::string sasl_username;
  std::string sasl_password;
  OauthConfig oauth;
  TlsConfig tls;
  std::vector<SecretProperty> secret_files;
  /// KAFKA_PROPERTIES in order; forbidden ones are refused before they get here.
  Properties extra;
};

struct BatchConfig {
  std::chrono::milliseconds interval{};
  /// 0 = only the memory budget decides.
  std::uint64_t max_bytes = 0;
  std::uint64_t max_rows = 0;
};

struct StoreConfig {
  /// `s3://bucket[/prefix]` or `file:///absolute/path`, no trailing slash.
  std::string base_uri;
  /// Named as the object_store crate names them (aws_endpoint, aws_region, aws_allow_http, ...);
  /// what it does not know, as AWS's variables (aws_profile, aws_ca_bundle, ...).
  Properties options;
};

/// What a value must be to go into its table.
enum class Validation {
  kUtf8,
  kJson,
  /// JSON, and what the topic's schema says.
  kSchema,
};

struct DeadLetterConfig {
  /// Off: a value that is not what it must be stops its partition.
  enum class Table { kOff, kOn } table = Table::kOn;
  Validation validation = Validation::kUtf8;
  /// Where the files of schemas are; empty = nowhere.
  std::string schema_dir;
};

/// A Confluent-compatible schema registry.
struct RegistryConfig {
  /// `http(s)://host[:port][/path]`, tried in order. Empty = there is none.
  std::vector<std::string> urls;
  /// Empty = no authentication.
  std::string username;
  std::string password;
  /// That they came from, and may change in; empty = the environment.
  std::string username_file;
  std::string password_file;
  /// PEM; trusted besides what the system trusts. Empty = none.
  std::string ca_file;
};

/// Where states of tables are cached.
struct RedisConfig {
  /// A path; empty = by network.
  std::string socket = {};
  std::string host = {};
  std::uint16_t port = 0;
  enum class Encryption { kNone, kTls } encryption = Encryption::kNone;
  /// PEM; trusted instead of what the system trusts. Empty = none.
  std::string ca_file = {};
  std::string username = {};
  /// Empty = no authentication.
  std::string password = {};
  std::uint32_t database = 0;
  /// That the URL came from, and may change in; empty = the environment.
  std::string url_file = {};

  [[nodiscard]] bool is_given() const { return !socket.empty() || !host.empty(); }
};

enum class IdleHealth { kHealthy, kUnhealthy };

struct HealthConfig {
  std::chrono::milliseconds max_write_age{};
  IdleHealth when_idle = IdleHealth::kHealthy;
};

struct HttpConfig {
  std::string host;
  std::uint16_t port = 0;
};

enum class LogFormat { kText, kJson };

struct LogConfig {
  /// trace, debug, info, warn, error
  std::string level;
  LogFormat format = LogFormat::kText;
};

struct Config {
  KafkaConfig kafka;
  BatchConfig batch;
  StoreConfig store;
  /// Of the tables that are created.
  ExtraColumns extra_columns;
  /// What `_raw_value` holds.
  RawValue raw_value = RawValue::kString;
  RegistryConfig registry;
  /// Full name of the message by topic, for `.proto` files whose first message is not meant.
  std::map<std::string, std::string, std::less<>> protobuf_messages;
  ParquetCompression compression;
  RedisConfig redis;
  Policies policies;
  DeadLetterConfig dead_letters;
  /// Of JSON Schemas.
  FormatChecks schema_formats = FormatChecks::kIgnore;
  HealthConfig health;
  HttpConfig http;
  LogConfig log;
  std::chrono::milliseconds write_retry{};
  std::chrono::milliseconds shutdown_timeout{};
  /// The one memory budget, in bytes.
  std::uint64_t memory_limit_bytes = 0;
  /// Things that are allowed but worth saying at start, e.g. two variables that differ.
  std::vector<std::string> warnings;
  /// Where the value of each variable comes from: `environment`, `default`, another variable's
  /// name (such as NAME_FILE), or `cgroup`.
  std::map<std::string, std::string, std::less<>> sources;
};

/// One thing wrong with the environment: which variable, what it holds (never a secret), what
/// form is expected.
struct ConfigError {
  std::string variable;
  std::string message;
};

using LoadResult = std::variant<Config, std::vector<ConfigError>>;

/// Reads and checks everything; reports ALL errors at once. `cgroup_limit_bytes`: the smaller of
/// the memory limits of cgroup v1 and v2, nullopt when there is none.
[[nodiscard]] LoadResult load_config(const EnvLookup& env,
                                     std::optional<std::uint64_t> cgroup_limit_bytes);

/// The memory limit of this process's cgroup (v1 or v2), nullopt = unlimited.
/// `root` is `/` outside tests.
[[nodiscard]] std::optional<std::uint64_t> cgroup_memory_limit(const std::string& root);

/// One variable as it is in effect.
struct Setting {
  std::string variable;
  /// `***` when it is a secret.
  std::string value;
  /// See Config::sources.
  std::string source;

  friend bool operator==(const Setting&, const Setting&) = default;
};

/// The effective configuration in the order of the table of variables, secrets masked. Variables
/// that this configuration does not use are absent.
[[nodiscard]] std::vector<Setting> effective_settings(const Config& config);

/// The effective configuration as `VARIABLE=value` lines in the order of the table of variables,
/// secrets masked.
[[nodiscard]] std::vector<std::string> describe(const Config& config);

/// The table of variables for `--help`: name, default, meaning.
[[nodiscard]] std::string variables_help();

}  // namespace bronze::config
