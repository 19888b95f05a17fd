#include "config/variables.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "config/compression_config.h"
#include "config/endpoint.h"
#include "config/properties.h"
#include "config/reader.h"
#include "config/redis_config.h"
#include "config/rfc3339.h"
#include "config/schema_config.h"
#include "config/store_config.h"

namespace bronze::config {
namespace {

constexpr std::uint64_t k_mb = std::uint64_t{1024} * 1024;

std::string topics_text(const Config& config) {
  std::string text;
  for (const auto* entries : {&config.kafka.topics, &config.kafka.patterns}) {
    for (const std::string& entry : *entries) text += (text.empty() ? "" : ",") + entry;
  }
  return text;
}

std::string boolean_text(bool value) { return value ? "true" : "false"; }

std::string start_text(const Config& config) {
  if (std::holds_alternative<StartEarliest>(config.kafka.start)) return "earliest";
  if (std::holds_alternative<StartLatest>(config.kafka.start)) return "latest";
  return format_rfc3339(std::get<StartAtTime>(config.kafka.start).unix_ms);
}

std::string registry_text(const Config& config) {
  std::string text;
  for (const auto& url : config.registry.urls) text += (text.empty() ? "" : ",") + url;
  return text;
}

std::optional<std::string> if_any(std::string value) {
  return value.empty() ? std::nullopt : std::optional(std::move(value));
}

bool is_local(const Config& config) { return config.store.base_uri.starts_with("file://"); }

using Effective = std::optional<std::string>;

Effective endpoint_text(const Config& config) {
  if (is_local(config)) return std::nullopt;
  return option(config.store, "aws_endpoint").value_or("(AWS)");
}

Effective region_text(const Config& config) {
  auto given = option(config.store, "aws_region");
  return given ? given : option(config.store, "aws_default_region");
}

Effective addressing_text(const Config& config) {
  const auto is_virtual = option(config.store, "aws_virtual_hosted_style_request");
  if (!is_virtual) return std::nullopt;
  return *is_virtual == "true" ? "virtual" : "path";
}

/// Whether PEM text may be shown; a path always may.
enum class PemText { kShown, kHidden };

Effective pem_shown(const PemSource& source, PemText text) {
  if (!source.text.empty()) return text == PemText::kHidden ? "***" : "(PEM text)";
  return if_any(source.path);
}

constexpr Secrecy k_secret = Secrecy::kSecret;
constexpr Secrecy k_credential = Secrecy::kCredential;
constexpr Secrecy k_public = Secrecy::kPublic;

/// A string literal as a template argument.
template <std::size_t n>
struct OptionName {
  char text[n]{};
  // NOLINTNEXTLINE(google-explicit-constructor): so that the literal alone is enough
  consteval OptionName(const char (&name)[n]) { std::copy_n(name, n, text); }
};

template <OptionName name>
Effective store_option(const Config& config) {
  return option(config.store, name.text);
}

Effective full_uri_text(const Config& config) {
  const auto uri = option(config.store, "aws_container_credentials_full_uri");
  return uri ? Effective(without_query(*uri)) : uri;
}

constexpr auto k_variables = std::to_array<Variable>({
    {"KAFKA_BOOTSTRAP_SERVERS", "kafka:29092", "brokers, host:port, separated by commas", k_public,
     [](const Config& c) -> Effective { return c.kafka.bootstrap_servers; }},
    {"KAFKA_CONSUMER_GROUP", "bronze-ingestion",
     "consumer group; also the identity under which progress is kept in the tables", k_public,
     [](const Config& c) -> Effective { return c.kafka.consumer_group; }},
    {"KAFKA_TOPICS",
     "gps_pings,trips,driver_status,surge_updates,ratings,payments,driver_profiles,rider_profiles",
     "topics, separated by commas; one that does not exist yet gets its table and is waited for."
     " An entry that begins with ^ is a regular expression (POSIX extended, no comma in it);"
     " topics that appear later are picked up",
     k_public, [](const Config& c) -> Effective { return topics_text(c); }},
    {"KAFKA_START", "earliest",
     "where a partition without any progress begins: earliest, latest or an RFC 3339 time",
     k_public, [](const Config& c) -> Effective { return start_text(c); }},
    {"KAFKA_POLL_TIMEOUT_MS", "1000",
     "the longest single wait for records; never delays a write or a signal", k_public,
     [](const Config& c) -> Effective { return std::to_string(c.kafka.poll_timeout.count()); }},
    {"KAFKA_SESSION_TIMEOUT_MS", "45000",
     "how long the group waits for a sign of life before it gives the partitions to others",
     k_public,
     [](const Config& c) -> Effective { return std::to_string(c.kafka.session_timeout.count()); }},
    {"KAFKA_SECURITY_PROTOCOL", "PLAINTEXT", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", k_public,
     [](const Config& c) -> Effective { return c.kafka.security_protocol; }},
    {"KAFKA_SASL_MECHANISM", "PLAIN", "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, GSSAPI or OAUTHBEARER",
     k_public, [](const Config& c) -> Effective { return c.kafka.sasl_mechanism; }},
    {"KAFKA_SASL_USERNAME", "", "user for PLAIN and SCRAM", k_credential,
     [](const Config& c) -> Effective { return if_any(c.kafka.sasl_username); }},
    {"KAFKA_SASL_PASSWORD", "", "password for PLAIN and SCRAM", k_secret,
     [](const Config& c) -> Effective { return if_any(c.kafka.sasl_password); }},
    {"KAFKA_SASL_OAUTH_TOKEN_URL", "",
     "where OAUTHBEARER gets its tokens (OIDC client credentials), http(s)://host[:port][/path]",
     k_public, [](const Config& c) -> Effective { return if_any(c.kafka.oauth.token_url); }},
    {"KAFKA_SASL_OAUTH_CLIENT_ID", "", "needed with KAFKA_SASL_OAUTH_TOKEN_URL", k_credential,
     [](const Config& c) -> Effective { return if_any(c.kafka.oauth.client_id); }},
    {"KAFKA_SASL_OAUTH_CLIENT_SECRET", "", "needed with KAFKA_SASL_OAUTH_TOKEN_URL", k_secret,
     [](const Config& c) -> Effective { return if_any(c.kafka.oauth.client_secret); }},
    {"KAFKA_SASL_OAUTH_SCOPE", "", "what the tokens are asked for; several by spaces", k_public,
     [](const Config& c) -> Effective { return if_any(c.kafka.oauth.scope); }},
    {"KAFKA_SASL_OAUTH_CA", "",
     "certificates (PEM) that those of KAFKA_SASL_OAUTH_TOKEN_URL are checked by, in place of the"
     " system's: a path, or the text itself",
     k_public,
     [](const Config& c) -> Effective { return pem_shown(c.kafka.oauth.ca, PemText::kShown); }},
    {"KAFKA_SSL_CA", "",
     "certificates (PEM) that those of the brokers are checked by, in place of the system's: a"
     " path, or the text itself",
     k_public,
     [](const Config& c) -> Effective { return pem_shown(c.kafka.tls.ca, PemText::kShown); }},
    {"KAFKA_SSL_CERTIFICATE", "",
     "our own certificate (PEM), for brokers that ask for one, with those between it and its CA: a"
     " path, or the text itself",
     k_public,
     [](const Config& c) -> Effective {
       return pem_shown(c.kafka.tls.certificate, PemText::kShown);
     }},
    {"KAFKA_SSL_KEY", "", "its key (PEM): a path, or the text itself", Secrecy::kSecretOrPath,
     [](const Config& c) -> Effective { return pem_shown(c.kafka.tls.key, PemText::kHidden); }},
    {"KAFKA_SSL_KEY_PASSWORD", "", "of a key that is encrypted", k_secret,
     [](const Config& c) -> Effective { return if_any(c.kafka.tls.key_password); }},
    {"KAFKA_PROPERTIES", "",
     "further librdkafka properties, one key=value a line or separated by ';'; those that would"
     " break the guarantees are refused",
     k_credential, [](const Config& c) -> Effective { return if_any(masked(c.kafka.extra)); }},
    {"BATCH_INTERVAL_SECONDS", "10", "age at which a batch is written; fractions allowed", k_public,
     [](const Config& c) -> Effective { return seconds_text(c.batch.interval); }},
    {"BATCH_MAX_BYTES", "0", "write earlier at this size; 0 = only the memory budget decides",
     k_public, [](const Config& c) -> Effective { return std::to_string(c.batch.max_bytes); }},
    {"BATCH_MAX_ROWS", "0",
     "write earlier at this many records; 0 = only the memory budget decides", k_public,
     [](const Config& c) -> Effective { return std::to_string(c.batch.max_rows); }},
    {"DELTA_BASE_PATH", "s3a://{BRONZE_BUCKET}",
     "where the tables are: s3a://bucket[/prefix], s3://..., file:///path or a plain path",
     k_public, [](const Config& c) -> Effective { return c.store.base_uri; }},
    {"BRONZE_BUCKET", "rideshare-bronze", "bucket of the default DELTA_BASE_PATH"},
    {"S3_ENDPOINT_URL", "http://minio:9000",
     "endpoint of the object store; set but empty = the endpoint of AWS", k_public, endpoint_text},
    {"S3_ENDPOINT", "", "read when S3_ENDPOINT_URL is not set"},
    {"AWS_ACCESS_KEY_ID", "minioadmin",
     "key of the object store; set but empty = the credential chain. The default holds only when"
     " neither key nor any other source of credentials is set",
     k_secret, store_option<"aws_access_key_id">},
    {"AWS_SECRET_ACCESS_KEY", "minioadmin", "see AWS_ACCESS_KEY_ID; one needs the other", k_secret,
     store_option<"aws_secret_access_key">},
    {"AWS_SESSION_TOKEN", "", "with temporary keys", k_secret, store_option<"aws_session_token">},
    {"AWS_REGION", "us-east-1", "region of the object store; a profile may name another default",
     k_public, region_text},
    {"S3_ADDRESSING_STYLE", "auto",
     "where requests name the bucket: path, virtual (in the host), or auto (path with an endpoint,"
     " virtual with that of AWS)",
     k_public, addressing_text},
    {"AWS_CA_BUNDLE", "",
     "file with certificates (PEM) of the CAs that are trusted instead of the system's; refused"
     " with an http endpoint",
     k_public, store_option<"aws_ca_bundle">},
    {"AWS_WEB_IDENTITY_TOKEN_FILE", "", "credentials by web identity; needs AWS_ROLE_ARN", k_public,
     store_option<"aws_web_identity_token_file">},
    {"AWS_ROLE_ARN", "", "role of the web identity", k_public, store_option<"aws_role_arn">},
    {"AWS_ROLE_SESSION_NAME", "", "session name of the web identity", k_public,
     store_option<"aws_role_session_name">},
    {"AWS_ENDPOINT_URL_STS", "", "endpoint that answers for the web identity", k_public,
     store_option<"aws_endpoint_url_sts">},
    {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "", "credentials of an ECS task", k_public,
     store_option<"aws_container_credentials_relative_uri">},
    {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "", "credentials of an EKS pod", k_public,
     full_uri_text},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "", "token for the addresses above", k_public,
     store_option<"aws_container_authorization_token_file">},
    {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "", "the same; the file wins", k_secret,
     store_option<"aws_container_authorization_token">},
    {"AWS_PROFILE", "",
     "credentials of a profile, read anew when its file changes; default when the chain gets to it",
     k_public, store_option<"aws_profile">},
    {"AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", "file with the keys of profiles",
     k_public, store_option<"aws_shared_credentials_file">},
    {"AWS_CONFIG_FILE", "~/.aws/config", "file with the settings of profiles", k_public,
     store_option<"aws_config_file">},
    {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254",
     "who issues the credentials of an EC2 instance (IMDSv2), the last of the chain", k_public,
     store_option<"aws_metadata_endpoint">},
    {"AWS_EC2_METADATA_DISABLED", "false", "true: an instance is not asked for credentials",
     k_public, store_option<"aws_ec2_metadata_disabled">},
    {"EXTRA_COLUMNS", "",
     "more columns of new tables: all, or a comma list out of _kafka_topic, _kafka_key,"
     " _kafka_headers, _kafka_timestamp_type",
     k_public, [](const Config& c) -> Effective { return if_any(names_of(c.extra_columns)); }},
    {"RAW_VALUE", "string",
     "what _raw_value holds: string (text; values must be UTF-8), binary, or base64 (a string);"
     " tables that exist must agree",
     k_public, [](const Config& c) -> Effective { return std::string(name_of(c.raw_value)); }},
    {"PARQUET_COMPRESSION", "zstd",
     "how new data files are compressed: zstd, zstd:LEVEL (1 to 22; zstd alone is level 1), snappy,"
     " lz4 or none",
     k_public, [](const Config& c) -> Effective { return compression_text(c.compression); }},
    {"WRITE_RETRY_SECONDS", "300",
     "how long transient write faults are retried before the service stops; 0 = not at all",
     k_public, [](const Config& c) -> Effective { return seconds_text(c.write_retry); }},
    {"SHUTDOWN_TIMEOUT_SECONDS", "25", "how long a shutdown may take to write what it holds",
     k_public, [](const Config& c) -> Effective { return seconds_text(c.shutdown_timeout); }},
    {"HTTP_HOST", "0.0.0.0", "address of /health", k_public,
     [](const Config& c) -> Effective { return c.http.host; }},
    {"HTTP_PORT", "8080", "port of /health", k_public,
     [](const Config& c) -> Effective { return std::to_string(c.http.port); }},
    {"HEALTH_MAX_WRITE_AGE_SECONDS", "60", "age of a due batch at which /health answers 503",
     k_public, [](const Config& c) -> Effective { return seconds_text(c.health.max_write_age); }},
    {"HEALTH_WHEN_IDLE", "healthy",
     "unhealthy = 503 whenever the last write is older than HEALTH_MAX_WRITE_AGE_SECONDS", k_public,
     [](const Config& c) -> Effective {
       return c.health.when_idle == IdleHealth::kHealthy ? "healthy" : "unhealthy";
     }},
    {"LOG_LEVEL", "info", "trace, debug, info, warn or error", k_public,
     [](const Config& c) -> Effective { return c.log.level; }},
    {"LOG_FORMAT", "text", "text or json", k_public,
     [](const Config& c)
         -> Effective { return c.log.format == LogFormat::kText ? "text" : "json"; }},
    {"MEMORY_LIMIT_MB", "the smaller of the cgroup's limit and 256",
     "the one memory budget, at least 64", k_public,
     [](const Config& c) -> Effective { return std::to_string(c.memory_limit_bytes / k_mb); }},
    {"ON_DATA_LOSS", "stop",
     "when Kafka deleted records that are not in the table: stop the partition, or skip them; the"
     " commit then states the gap",
     k_public,
     [](const Config& c) -> Effective {
       return c.policies.data_loss == OnDataLoss::kSkip ? "skip" : "stop";
     }},
    {"ON_TOPIC_RECREATED", "stop",
     "when a topic was deleted and created again, or is on another cluster: stop it, or new_epoch:"
     " the new one goes into the same table from its beginning",
     k_public,
     [](const Config& c) -> Effective {
       return c.policies.topic_recreated == OnTopicRecreated::kNewEpoch ? "new_epoch" : "stop";
     }},
    {"DLQ_ENABLED", "true",
     "what cannot go into its table goes into the topic's dead-letter table; false: it stops its"
     " partition, also what fails a check of the two below",
     k_public,
     [](const Config& c) -> Effective {
       return boolean_text(c.dead_letters.table == DeadLetterConfig::Table::kOn);
     }},
    {"DLQ_VALIDATE_JSON", "false", "a value must be well-formed JSON, not only UTF-8", k_public,
     [](const Config& c) -> Effective {
       return boolean_text(c.dead_letters.validation != Validation::kUtf8);
     }},
    {"DLQ_VALIDATE_SCHEMA", "false",
     "a value must be what the topic's schema says, if there is one; implies DLQ_VALIDATE_JSON",
     k_public,
     [](const Config& c) -> Effective {
       return boolean_text(c.dead_letters.validation == Validation::kSchema);
     }},
    {"DLQ_SCHEMA_DIR", "/app/schemas",
     "where the files of schemas are, with DLQ_VALIDATE_SCHEMA; with SCHEMA_REGISTRY_URL the"
     " default need not be there",
     k_public,
     [](const Config& c) -> Effective {
       if (c.dead_letters.validation != Validation::kSchema) return std::nullopt;
       return if_any(c.dead_letters.schema_dir);
     }},
    {"DLQ_SCHEMA_FORMATS", "ignore",
     "the keyword format of JSON Schemas: ignore, as the standard has it, or check", k_public,
     [](const Config& c) -> Effective {
       return c.schema_formats == FormatChecks::kCheck ? "check" : "ignore";
     }},
    {"PROTOBUF_MESSAGES", "",
     "topic=package.Message, several by commas: which message of a topic's .proto file the values"
     " are; otherwise the first of the file",
     k_public, [](const Config& c) -> Effective { return if_any(protobuf_messages_text(c)); }},
    {"SCHEMA_REGISTRY_URL", "",
     "Confluent-compatible schema registry, http(s)://host[:port][/path]; several by commas are"
     " tried in order. Values of topics without a schema file then name their schema",
     k_public, [](const Config& c) -> Effective { return if_any(registry_text(c)); }},
    {"SCHEMA_REGISTRY_USERNAME", "", "basic authentication; needs SCHEMA_REGISTRY_PASSWORD",
     k_credential, [](const Config& c) -> Effective { return if_any(c.registry.username); }},
    {"SCHEMA_REGISTRY_PASSWORD", "", "see SCHEMA_REGISTRY_USERNAME", k_secret,
     [](const Config& c) -> Effective { return if_any(c.registry.password); }},
    {"SCHEMA_REGISTRY_CA", "",
     "file with certificates (PEM) that are trusted besides those of the system", k_public,
     [](const Config& c) -> Effective { return if_any(c.registry.ca_file); }},
    {"REDIS_URL", "",
     "caches what tables are, so that a restart or rebalance need not read their logs:"
     " redis://[[user]:password@]host[:port][/db], rediss://... (TLS) or unix:///path[?db=N]",
     k_credential, [](const Config& c) -> Effective { return if_any(redis_text(c.redis)); }},
    {"REDIS_CA", "",
     "with rediss://: file with certificates (PEM) that are trusted instead of those of the system",
     k_public, [](const Config& c) -> Effective { return if_any(c.redis.ca_file); }},
});

}  // namespace

std::span<const Variable> variables() { return k_variables; }

const Variable& variable(std::string_view name) {
  const auto row = std::ranges::find(k_variables, name, &Variable::name);
  if (row == k_variables.end()) std::abort();
  return *row;
}

std::string file_variable(std::string_view name) { return std::string(name) + "_FILE"; }

bool may_come_from_file(const Variable& variable) {
  const std::string naming = file_variable(variable.name);
  return variable.secrecy != Secrecy::kPublic &&
         std::ranges::find(k_variables, naming, &Variable::name) == k_variables.end();
}

std::vector<Setting> effective_settings(const Config& config) {
  std::vector<Setting> settings;
  for (const Variable& row : k_variables) {
    if (row.effective == nullptr) continue;
    auto value = row.effective(config);
    if (!value) continue;
    if (row.secrecy == Secrecy::kSecret) value = "***";
    const auto source = config.sources.find(row.name);
    settings.push_back({.variable = std::string(row.name),
                        .value = *std::move(value),
                        .source = source == config.sources.end() ? "" : source->second});
  }
  return settings;
}

std::vector<std::string> describe(const Config& config) {
  std::vector<std::string> lines;
  for (const Setting& setting : effective_settings(config)) {
    lines.push_back(setting.variable + "=" + setting.value);
  }
  return lines;
}

std::string variables_help() {
  std::string text;
  std::string from_files;
  for (const Variable& row : k_variables) {
    text += "  " + std::string(row.name);
    if (!row.default_text.empty()) text += " [" + std::string(row.default_text) + "]";
    text += "\n      " + std::string(row.meaning) + "\n";
    if (may_come_from_file(row)) from_files += "\n      " + std::string(row.name);
  }
  text += "\nNAME_FILE, in place of NAME, names a file with the value, for NAME out of:";
  return text + from_files + "\n";
}

}  // namespace bronze::config
