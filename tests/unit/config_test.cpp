#include "config/config.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "config/properties.h"
#include "config/rfc3339.h"
#include "config/variables.h"
#include "fakes/environment.h"

namespace bronze::config {
namespace {

using fakes::Env;
using fakes::load;
using fakes::lookup;

std::string to_text(const std::vector<ConfigError>& errors) {
  std::string text;
  for (const auto& [variable, message] : errors) text += variable + ": " + message + "\n";
  return text;
}

Config good(const Env& env, std::optional<std::uint64_t> cgroup_bytes = std::nullopt) {
  auto result = load(env, cgroup_bytes);
  if (const auto* errors = std::get_if<std::vector<ConfigError>>(&result)) {
    ADD_FAILURE() << to_text(*errors);
    return {};
  }
  return std::get<Config>(result);
}

std::vector<ConfigError> bad(const Env& env,
                             std::optional<std::uint64_t> cgroup_bytes = std::nullopt) {
  auto result = load(env, cgroup_bytes);
  if (std::holds_alternative<Config>(result)) return {};
  return std::get<std::vector<ConfigError>>(result);
}

std::optional<std::string> option_of(const Config& config, const std::string& key) {
  for (const auto& [name, value] : config.store.options) {
    if (name == key) return value;
  }
  return std::nullopt;
}

bool describes(const Config& config, const std::string& line) {
  const auto lines = describe(config);
  return std::ranges::find(lines, line) != lines.end();
}

constexpr std::uint64_t k_mib = std::uint64_t{1024} * 1024;

TEST(ConfigDefaults, AreThoseOfTheContract) {
  const Config config = good({});
  EXPECT_EQ(config.kafka.bootstrap_servers, "kafka:29092");
  EXPECT_EQ(config.kafka.consumer_group, "bronze-ingestion");
  EXPECT_EQ(config.kafka.topics,
            (std::vector<std::string>{"gps_pings", "trips", "driver_status", "surge_updates",
                                      "ratings", "payments", "driver_profiles", "rider_profiles"}));
  EXPECT_TRUE(std::holds_alternative<StartEarliest>(config.kafka.start));
  EXPECT_EQ(config.kafka.poll_timeout.count(), 1000);
  EXPECT_EQ(config.kafka.session_timeout.count(), 45000);
  EXPECT_EQ(config.kafka.security_protocol, "PLAINTEXT");
  EXPECT_EQ(config.kafka.sasl_mechanism, "PLAIN");
  EXPECT_TRUE(config.kafka.extra.empty());
  EXPECT_EQ(config.batch.interval.count(), 10000);
  EXPECT_EQ(config.batch.max_bytes, 0U);
  EXPECT_EQ(config.batch.max_rows, 0U);
  EXPECT_EQ(config.store.base_uri, "s3://rideshare-bronze");
  EXPECT_EQ(option_of(config, "aws_endpoint"), "http://minio:9000");
  EXPECT_EQ(option_of(config, "aws_allow_http"), "true");
  EXPECT_EQ(option_of(config, "aws_virtual_hosted_style_request"), "false");
  EXPECT_EQ(option_of(config, "aws_access_key_id"), "minioadmin");
  EXPECT_EQ(option_of(config, "aws_secret_access_key"), "minioadmin");
  EXPECT_EQ(option_of(config, "aws_default_region"), "us-east-1");
  EXPECT_EQ(config.write_retry.count(), 300'000);
  EXPECT_EQ(config.shutdown_timeout.count(), 25'000);
  EXPECT_EQ(config.http.host, "0.0.0.0");
  EXPECT_EQ(config.http.port, 8080);
  EXPECT_EQ(config.health.max_write_age.count(), 60'000);
  EXPECT_EQ(config.health.when_idle, IdleHealth::kHealthy);
  EXPECT_EQ(config.log.level, "info");
  EXPECT_EQ(config.log.format, LogFormat::kText);
  EXPECT_EQ(config.memory_limit_bytes, 256 * k_mib);
  EXPECT_TRUE(config.warnings.empty());
}

TEST(ConfigDefaults, HoldForVariablesThatAreSetButEmpty) {
  Env env;
  for (const Variable& row : variables()) env[std::string(row.name)] = "";
  const Config config = good(env);
  EXPECT_EQ(config.kafka.bootstrap_servers, "kafka:29092");
  EXPECT_EQ(config.kafka.topics.size(), 8U);
  EXPECT_EQ(config.store.base_uri, "s3://rideshare-bronze");
  EXPECT_EQ(config.memory_limit_bytes, 256 * k_mib);
}

TEST(ConfigValues, EveryVariableIsRead) {
  const Config config = good({
      {"KAFKA_BOOTSTRAP_SERVERS", "a:1, [::1]:2,SSL://c"},
      {"KAFKA_CONSUMER_GROUP", "gr/oup \xc3\xa9"},
      {"KAFKA_TOPICS", "b , a.b_c-d"},
      {"KAFKA_START", "Latest"},
      {"KAFKA_POLL_TIMEOUT_MS", "7"},
      {"KAFKA_SESSION_TIMEOUT_MS", "6000"},
      {"KAFKA_SECURITY_PROTOCOL", "sasl_ssl"},
      {"KAFKA_SASL_MECHANISM", "scram-sha-512"},
      {"KAFKA_SASL_USERNAME", "me"},
      {"KAFKA_SASL_PASSWORD", "pw"},
      {"KAFKA_PROPERTIES", "client.id = x\n ssl.ca.pem=a=b ; group.instance.id=i;;\n"},
      {"BATCH_INTERVAL_SECONDS", "0.25"},
      {"BATCH_MAX_BYTES", "18"},
      {"BATCH_MAX_ROWS", "19"},
      {"WRITE_RETRY_SECONDS", "0"},
      {"SHUTDOWN_TIMEOUT_SECONDS", "1.5"},
      {"HTTP_HOST", "127.0.0.1"},
      {"HTTP_PORT", "65535"},
      {"HEALTH_MAX_WRITE_AGE_SECONDS", "30"},
      {"HEALTH_WHEN_IDLE", "unhealthy"},
      {"LOG_LEVEL", "WARNING"},
      {"LOG_FORMAT", "json"},
      {"MEMORY_LIMIT_MB", "64"},
      {"DLQ_ENABLED", "false"},
      {"DLQ_VALIDATE_JSON", "False"},
      {"DLQ_SCHEMA_DIR", "/anywhere"},
      {"DLQ_SCHEMA_FORMATS", "Check"},
      {"ON_DATA_LOSS", "skip"},
      {"ON_TOPIC_RECREATED", "NEW_EPOCH"},
  });
  EXPECT_EQ(config.policies, (Policies{.data_loss = OnDataLoss::kSkip,
                                       .topic_recreated = OnTopicRecreated::kNewEpoch}));
  EXPECT_EQ(config.kafka.bootstrap_servers, "a:1,[::1]:2,SSL://c");
  EXPECT_EQ(config.kafka.consumer_group, "gr/oup \xc3\xa9");
  EXPECT_EQ(config.kafka.topics, (std::vector<std::string>{"b", "a.b_c-d"}));
  EXPECT_TRUE(std::holds_alternative<StartLatest>(config.kafka.start));
  EXPECT_EQ(config.kafka.poll_timeout.count(), 7);
  EXPECT_EQ(config.kafka.session_timeout.count(), 6000);
  EXPECT_EQ(config.kafka.security_protocol, "SASL_SSL");
  EXPECT_EQ(config.kafka.sasl_mechanism, "SCRAM-SHA-512");
  EXPECT_EQ(config.kafka.sasl_username, "me");
  EXPECT_EQ(config.kafka.sasl_password, "pw");
  EXPECT_EQ(config.kafka.extra,
            (Properties{{"client.id", "x"}, {"ssl.ca.pem", "a=b"}, {"group.instance.id", "i"}}));
  EXPECT_EQ(config.batch.interval.count(), 250);
  EXPECT_EQ(config.batch.max_bytes, 18U);
  EXPECT_EQ(config.batch.max_rows, 19U);
  EXPECT_EQ(config.write_retry.count(), 0);
  EXPECT_EQ(config.shutdown_timeout.count(), 1500);
  EXPECT_EQ(config.http.host, "127.0.0.1");
  EXPECT_EQ(config.http.port, 65535);
  EXPECT_EQ(config.health.max_write_age.count(), 30'000);
  EXPECT_EQ(config.health.when_idle, IdleHealth::kUnhealthy);
  EXPECT_EQ(config.schema_formats, FormatChecks::kCheck);
  EXPECT_EQ(config.log.level, "warn");
  EXPECT_EQ(config.log.format, LogFormat::kJson);
  EXPECT_EQ(config.memory_limit_bytes, 64 * k_mib);
}

struct BadValue {
  std::string variable;
  std::string value;
  /// What the message must contain; the value itself is expected as well.
  std::string expected;
};

class ConfigRefuses : public testing::TestWithParam<BadValue> {};

TEST_P(ConfigRefuses, WithVariableExpectedFormAndValue) {
  const auto& [variable, value, expected] = GetParam();
  const auto errors = bad({{variable, value}});
  ASSERT_EQ(errors.size(), 1U) << to_text(errors);
  EXPECT_EQ(errors[0].variable, variable);
  EXPECT_NE(errors[0].message.find(expected), std::string::npos) << errors[0].message;
}

TEST(ConfigRefusesKeys, InABasePathWithoutShowingThem) {
  for (const std::string path :
       {"s3a://AKIA:hunter2@bucket/bronze", "s3a:/ID:hunter2@bucket/x", "ID:hunter2@bucket",
        "s3a://ID:hunter2%40bucket/x", "s3a//ID:hunter2@bucket/x", "//ID:hun/ter2@bucket",
        "S3/ID:hunter2@bucket", "s3a:/bucket?key=hunter2", "s3a://ID:hunter2", "ID:hunter2"}) {
    const auto errors = bad({{"DELTA_BASE_PATH", path}});
    ASSERT_EQ(errors.size(), 1U) << path;
    EXPECT_EQ(errors[0].message.find("ter2"), std::string::npos) << errors[0].message;
    EXPECT_NE(errors[0].message.find("AWS_SECRET_ACCESS_KEY"), std::string::npos);
  }
}

const std::string k_long_topic(250, 'x');

INSTANTIATE_TEST_SUITE_P(
    Kafka, ConfigRefuses,
    testing::Values(
        BadValue{"KAFKA_BOOTSTRAP_SERVERS", "a:b", "host:port, several separated by commas; it"},
        BadValue{"KAFKA_BOOTSTRAP_SERVERS", "a:0", "'a:0'"},
        BadValue{"KAFKA_BOOTSTRAP_SERVERS", "a:65536", "'a:65536'"},
        BadValue{"KAFKA_BOOTSTRAP_SERVERS", "a:1,,b:2", "host:port"},
        BadValue{"KAFKA_BOOTSTRAP_SERVERS", "a b:1", "host:port"},
        BadValue{"KAFKA_BOOTSTRAP_SERVERS", "[::1:9", "host:port"},
        BadValue{"KAFKA_CONSUMER_GROUP", " g", "spaces at the ends; it is ' g'"},
        BadValue{"KAFKA_CONSUMER_GROUP", "g\n", "'g\\x0a'"},
        BadValue{"KAFKA_CONSUMER_GROUP", std::string(256, 'g'), "at most 255 bytes"},
        BadValue{"KAFKA_TOPICS", "a,b c", "'b c'"}, BadValue{"KAFKA_TOPICS", "a,,b", "one is ''"},
        BadValue{"KAFKA_TOPICS", "a,", "one is ''"},
        BadValue{"KAFKA_TOPICS", "..", "(not . or ..)"},
        BadValue{"KAFKA_TOPICS", ".", "one is '.'"},
        BadValue{"KAFKA_TOPICS", "t\xc3\xb6pic", "'t\\xc3\\xb6pic'"},
        BadValue{"KAFKA_TOPICS", k_long_topic, "1 to 249 characters"},
        BadValue{"KAFKA_TOPICS", "a,b,a", "'a' is listed twice"},
        BadValue{"KAFKA_TOPICS", "a-b,a_b", "share the dead-letter table dlq_bronze_a_b"},
        BadValue{"KAFKA_TOPICS", "a,^b(", "'^b(' is not a regular expression"},
        BadValue{"KAFKA_TOPICS", "^a{1,3", "'^a{1' is not a regular expression"},
        BadValue{"KAFKA_TOPICS", "^a,^a", "'^a' is listed twice"},
        BadValue{"KAFKA_TOPICS", "__a,^b", "'__a' cannot be listed beside"},
        BadValue{"KAFKA_TOPICS", "^b,dlq_bronze_a", "'dlq_bronze_a' cannot be listed beside"},
        BadValue{"KAFKA_START", "yesterday", "it is 'yesterday'"},
        BadValue{"KAFKA_START", "2024-02-30T00:00:00Z", "such as 2024-01-15T10:30:00Z"},
        BadValue{"KAFKA_POLL_TIMEOUT_MS", "0", "from 1 to 60000; it is '0'"},
        BadValue{"KAFKA_POLL_TIMEOUT_MS", "-1", "'-1'"},
        BadValue{"KAFKA_POLL_TIMEOUT_MS", "1s", "'1s'"},
        BadValue{"KAFKA_POLL_TIMEOUT_MS", "+1", "'+1'"},
        BadValue{"KAFKA_POLL_TIMEOUT_MS", " 1", "' 1'"},
        BadValue{"KAFKA_POLL_TIMEOUT_MS", "0x10", "'0x10'"},
        BadValue{"KAFKA_POLL_TIMEOUT_MS", "99999999999999999999", "'99999999999999999999'"},
        BadValue{"KAFKA_SESSION_TIMEOUT_MS", "999", "from 1000 to"},
        BadValue{"KAFKA_SESSION_TIMEOUT_MS", "300001", "at most max.poll.interval.ms"},
        BadValue{"KAFKA_SECURITY_PROTOCOL", "TLS", "SASL_PLAINTEXT, SASL_SSL; it is 'TLS'"},
        BadValue{"KAFKA_SASL_MECHANISM", "MD5", "one of PLAIN, SCRAM-SHA-256"}));

INSTANTIATE_TEST_SUITE_P(
    Store, ConfigRefuses,
    testing::Values(BadValue{"DELTA_BASE_PATH", "s3a://bucket/../x", "without '..'"},
                    BadValue{"DELTA_BASE_PATH", "..", "without '..'"},
                    BadValue{"DELTA_BASE_PATH", "/a/..", "'/a/..'"},
                    BadValue{"DELTA_BASE_PATH", " /data", "without spaces"},
                    BadValue{"DELTA_BASE_PATH", "/data ", "without spaces"},
                    BadValue{"DELTA_BASE_PATH", "/my data", "without spaces"},
                    BadValue{"DELTA_BASE_PATH", "/data\x01", "'/data\\x01'"},
                    BadValue{"DELTA_BASE_PATH", "/d\xc3\xa4ta", "'/d\\xc3\\xa4ta'"},
                    BadValue{"DELTA_BASE_PATH", "s3://bucket?x=1", "s3a://bucket[/prefix]"},
                    BadValue{"DELTA_BASE_PATH", "/a%20b", "'/a%20b'"},
                    BadValue{"DELTA_BASE_PATH", "/", "a directory below /"},
                    BadValue{"DELTA_BASE_PATH", "file:///", "a directory below /"},
                    BadValue{"DELTA_BASE_PATH", "file://host/x", "file:///path"},
                    BadValue{"DELTA_BASE_PATH", "file:/x", "file:///path"},
                    BadValue{"DELTA_BASE_PATH", "gs://bucket", "'gs://bucket'"},
                    BadValue{"DELTA_BASE_PATH", "s3a//bucket", "it is 's3a//bucket'"},
                    BadValue{"DELTA_BASE_PATH", "s3/bucket", "it is 's3/bucket'"},
                    BadValue{"DELTA_BASE_PATH", "S3A:/bucket", "it is 'S3A:/bucket'"},
                    BadValue{"DELTA_BASE_PATH", "s3://", "a bucket of 3 to 63"},
                    BadValue{"DELTA_BASE_PATH", "s3a:///x", "a bucket of 3 to 63"},
                    BadValue{"DELTA_BASE_PATH", "s3://key:word@bucket", "a bucket of 3 to 63"},
                    BadValue{"DELTA_BASE_PATH", "s3://bucket//x", "without empty"},
                    BadValue{"DELTA_BASE_PATH", "s3://bucket/./x", "without empty or '.'"},
                    BadValue{"BRONZE_BUCKET", "No_Bucket", "it is 'No_Bucket'"},
                    BadValue{"S3_ENDPOINT_URL", "minio:9000", "http://host[:port]"},
                    BadValue{"S3_ENDPOINT_URL", "ftp://minio", "'ftp://minio'"},
                    BadValue{"S3_ENDPOINT_URL", "http://", "'http://'"},
                    BadValue{"S3_ENDPOINT_URL", "http://h:x", "'http://h:x'"},
                    BadValue{"S3_ENDPOINT_URL", "http://h#q", "'http://h#q'"},
                    BadValue{"S3_ENDPOINT", "http://h:99999", "'http://h:99999'"},
                    BadValue{"AWS_REGION", "US East", "'US East'"},
                    BadValue{"AWS_CA_BUNDLE", "/ca.pem",
                             "the S3 endpoint is 'http://minio:9000'"}));

INSTANTIATE_TEST_SUITE_P(
    Credentials, ConfigRefuses,
    testing::Values(BadValue{"AWS_ENDPOINT_URL_STS", "sts", "http://host[:port]"},
                    BadValue{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://", "https://host[:port]"},
                    BadValue{"AWS_EC2_METADATA_DISABLED", "maybe", "true or false"},
                    BadValue{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "x", "begins with /"},
                    BadValue{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://x", "https://..."},
                    BadValue{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.evil", "https://"},
                    BadValue{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost.x",
                             "this machine"},
                    BadValue{"AWS_SHARED_CREDENTIALS_FILE", "/nonexistent", "a readable file"},
                    BadValue{"AWS_CONFIG_FILE", "/nonexistent", "a readable file"},
                    BadValue{"AWS_PROFILE", "p", "neither can be read; it is 'p'"},
                    BadValue{"S3_ADDRESSING_STYLE", "host", "one of auto, path, virtual"}));

INSTANTIATE_TEST_SUITE_P(
    Rest, ConfigRefuses,
    testing::Values(
        BadValue{"BATCH_INTERVAL_SECONDS", "0", "seconds from 0.001 to 1200"},
        BadValue{"BATCH_INTERVAL_SECONDS", "-1", "'-1'"},
        BadValue{"BATCH_INTERVAL_SECONDS", "1201", "'1201'"},
        BadValue{"BATCH_INTERVAL_SECONDS", "0.0001", "'0.0001'"},
        BadValue{"BATCH_INTERVAL_SECONDS", "1e3", "'1e3'"},
        BadValue{"BATCH_INTERVAL_SECONDS", "1.", "'1.'"},
        BadValue{"BATCH_INTERVAL_SECONDS", ".", "'.'"},
        BadValue{"BATCH_INTERVAL_SECONDS", "nan", "'nan'"},
        BadValue{"BATCH_INTERVAL_SECONDS", "1,5", "'1,5'"},
        BadValue{"BATCH_INTERVAL_SECONDS", "9223372036854775808", "'9223372036854775808'"},
        BadValue{"BATCH_MAX_BYTES", "9223372036854775808", "to 9223372036854775807"},
        BadValue{"BATCH_MAX_BYTES", "10MB", "'10MB'"}, BadValue{"BATCH_MAX_ROWS", "-5", "'-5'"},
        BadValue{"BATCH_MAX_ROWS", "1.5", "'1.5'"},
        BadValue{"WRITE_RETRY_SECONDS", "86401", "from 0 to 86400"},
        BadValue{"SHUTDOWN_TIMEOUT_SECONDS", "0", "from 0.001 to 3600"},
        BadValue{"HTTP_HOST", "a b", "'a b'"}, BadValue{"HTTP_HOST", "http://x", "'http://x'"},
        BadValue{"HTTP_PORT", "0", "from 1 to 65535"}, BadValue{"HTTP_PORT", "65536", "'65536'"},
        BadValue{"HEALTH_MAX_WRITE_AGE_SECONDS", "0", "'0'"},
        BadValue{"HEALTH_WHEN_IDLE", "maybe", "one of healthy, unhealthy; it is 'maybe'"},
        BadValue{"LOG_LEVEL", "loud", "one of trace, debug, info, warn"},
        BadValue{"LOG_FORMAT", "xml", "one of text, json; it is 'xml'"},
        BadValue{"MEMORY_LIMIT_MB", "63", "budget below the minimum: expected at least 64"},
        BadValue{"MEMORY_LIMIT_MB", "0", "budget below the minimum"},
        BadValue{"MEMORY_LIMIT_MB", "1.5", "a whole number from 64"},
        BadValue{"MEMORY_LIMIT_MB", "18446744073709551615", "'18446744073709551615'"},
        BadValue{"ON_DATA_LOSS", "ignore", "one of stop, skip; it is 'ignore'"},
        BadValue{"ON_TOPIC_RECREATED", "skip", "one of stop, new_epoch; it is 'skip'"},
        BadValue{"EXTRA_COLUMNS", "key",
                 "'key' is no extra column; expected all, or, separated by commas and each once, "
                 "any of _kafka_topic, _kafka_key, _kafka_headers, _kafka_timestamp_type"},
        BadValue{"EXTRA_COLUMNS", "_kafka_key,_kafka_key", "'_kafka_key' is listed twice"},
        BadValue{"EXTRA_COLUMNS", "all,_kafka_key", "'all' is no extra column"},
        BadValue{"EXTRA_COLUMNS", "_KAFKA_KEY", "any of _kafka_topic, _kafka_key"},
        BadValue{"EXTRA_COLUMNS", "_kafka_offset", "'_kafka_offset' is no extra column"},
        BadValue{"EXTRA_COLUMNS", "_kafka_key,", "'' is no extra column"},
        BadValue{"EXTRA_COLUMNS", " ", "'' is no extra column"},
        BadValue{"PARQUET_COMPRESSION", "gzip",
                 "zstd, zstd:LEVEL with a level from 1 to 22, snappy, lz4 or none; it is 'gzip'"},
        BadValue{"PARQUET_COMPRESSION", "zstd:0", "'zstd:0'"},
        BadValue{"PARQUET_COMPRESSION", "zstd:23", "'zstd:23'"},
        BadValue{"PARQUET_COMPRESSION", "zstd:", "'zstd:'"},
        BadValue{"PARQUET_COMPRESSION", "zstd:-1", "'zstd:-1'"},
        BadValue{"PARQUET_COMPRESSION", "zstd:1.5", "'zstd:1.5'"},
        BadValue{"PARQUET_COMPRESSION", "zstd:18446744073709551617", "'zstd:184467"},
        BadValue{"PARQUET_COMPRESSION", "snappy:1", "'snappy:1'"},
        BadValue{"PARQUET_COMPRESSION", " ", "level from 1 to 22"},
        BadValue{"DLQ_ENABLED", "maybe", "true or false; it is 'maybe'"},
        BadValue{"DLQ_VALIDATE_JSON", "yes", "true or false; it is 'yes'"},
        BadValue{"DLQ_VALIDATE_SCHEMA", "on", "true or false; it is 'on'"},
        BadValue{"DLQ_SCHEMA_FORMATS", "on", "one of ignore, check; it is 'on'"}));

TEST(Config, DeadLettersAreOnAndOnlyTheEncodingCounts) {
  const auto config = good({});
  EXPECT_EQ(config.dead_letters.table, DeadLetterConfig::Table::kOn);
  EXPECT_EQ(config.dead_letters.validation, Validation::kUtf8);
  EXPECT_EQ(config.dead_letters.schema_dir, "/app/schemas");
}

TEST(Config, TheSchemaCheckImpliesTheJsonCheck) {
  EXPECT_EQ(good({{"DLQ_VALIDATE_JSON", "TRUE"}}).dead_letters.validation, Validation::kJson);
  const auto config = good({{"DLQ_VALIDATE_SCHEMA", "1"}});
  EXPECT_EQ(config.dead_letters.validation, Validation::kSchema);
  const auto lines = describe(config);
  EXPECT_NE(std::ranges::find(lines, "DLQ_VALIDATE_JSON=true"), lines.end());
  EXPECT_EQ(config.sources.at("DLQ_VALIDATE_JSON"), "DLQ_VALIDATE_SCHEMA");
  EXPECT_TRUE(config.warnings.empty());
}

TEST(Config, ChecksWithoutDeadLettersAreAllowedAndWarnedOf) {
  const auto config = good({{"DLQ_ENABLED", "false"}, {"DLQ_VALIDATE_JSON", "true"}});
  EXPECT_EQ(config.dead_letters.validation, Validation::kJson);
  ASSERT_EQ(config.warnings.size(), 1U);
  EXPECT_NE(config.warnings[0].find("stops it"), std::string::npos);
}

TEST(Config, ParquetCompressionIsACodecAndForZstdALevel) {
  const auto read = [](const std::string& text) {
    return good({{"PARQUET_COMPRESSION", text}}).compression;
  };
  const auto zstd = [](int level) {
    return ParquetCompression{.codec = ParquetCodec::kZstd, .level = level};
  };
  EXPECT_EQ(good({}).compression, zstd(1));
  EXPECT_EQ(read(""), zstd(1));
  EXPECT_EQ(read("zstd"), zstd(1));
  EXPECT_EQ(read("zstd:1"), zstd(1));
  EXPECT_EQ(read("ZSTD:22"), zstd(22));
  EXPECT_EQ(read("snappy").codec, ParquetCodec::kSnappy);
  EXPECT_EQ(read("Lz4").codec, ParquetCodec::kLz4);
  EXPECT_EQ(read("none").codec, ParquetCodec::kNone);
  for (const std::string text : {"zstd:3", "snappy", "lz4", "none"}) {
    const auto lines = describe(good({{"PARQUET_COMPRESSION", text}}));
    EXPECT_EQ(std::ranges::count(lines, "PARQUET_COMPRESSION=" + text), 1) << text;
  }
}

TEST(ConfigErrors, AreReportedAllAtOnce) {
  const auto errors = bad({{"KAFKA_TOPICS", "a a,a,a"},
                           {"BATCH_INTERVAL_SECONDS", "0"},
                           {"DELTA_BASE_PATH", "gs://x"},
                           {"HTTP_PORT", "x"},
                           {"LOG_LEVEL", "x"},
                           {"KAFKA_PROPERTIES", "group.id=x;check.crcs=false"}});
  std::vector<std::string> names;
  for (const ConfigError& error : errors) names.push_back(error.variable);
  EXPECT_EQ(names, (std::vector<std::string>{"KAFKA_TOPICS", "KAFKA_TOPICS", "KAFKA_PROPERTIES",
                                             "KAFKA_PROPERTIES", "BATCH_INTERVAL_SECONDS",
                                             "DELTA_BASE_PATH", "HTTP_PORT", "LOG_LEVEL"}))
      << to_text(errors);
}

TEST(ConfigErrors, ShortenLongValues) {
  const auto errors = bad({{"LOG_LEVEL", std::string(100'000, 'x')}});
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_LT(errors[0].message.size(), 300U);
  EXPECT_NE(errors[0].message.find("(100000 bytes)"), std::string::npos);
}

class ConfigRefusesProperty : public testing::TestWithParam<std::string> {};

TEST_P(ConfigRefusesProperty, NamedButItsValueNotShown) {
  const auto errors = bad({{"KAFKA_PROPERTIES", "client.id=ok;" + GetParam() + "=Val-ue"}});
  ASSERT_EQ(errors.size(), 1U) << to_text(errors);
  EXPECT_EQ(errors[0].variable, "KAFKA_PROPERTIES");
  EXPECT_NE(errors[0].message.find("'" + GetParam() + "'"), std::string::npos) << errors[0].message;
  EXPECT_EQ(errors[0].message.find("Val-ue"), std::string::npos) << errors[0].message;
}

INSTANTIATE_TEST_SUITE_P(
    All, ConfigRefusesProperty,
    testing::Values("bootstrap.servers", "metadata.broker.list", "group.id", "session.timeout.ms",
                    "security.protocol", "sasl.mechanism", "sasl.mechanisms", "sasl.username",
                    "sasl.password", "enable.auto.commit", "auto.commit.enable",
                    "auto.commit.interval.ms", "enable.auto.offset.store", "offset.store.method",
                    "offset.store.path", "auto.offset.reset", "partition.assignment.strategy",
                    "group.protocol", "group.protocol.type", "group.remote.assignor", "check.crcs",
                    "enable.partition.eof", "isolation.level", "plugin.library.paths",
                    "interceptors", "test.mock.num.brokers", "test.mock.broker.rtt",
                    "queued.max.messages.kbytes", "fetch.max.bytes", "topic.blacklist",
                    "enabled_events", "rebalance_cb", "opaque", "default_topic_conf", "log.queue",
                    "Enable.Auto.Commit", "ssl.key.location"));

TEST(ConfigProperties, OfAnotherFormAreRefusedWithoutBeingShown) {
  for (const std::string entry : {"hunter2", "=hunter2", "sasl password=hunter2"}) {
    const auto errors = bad({{"KAFKA_PROPERTIES", "client.id=a\n" + entry}});
    ASSERT_EQ(errors.size(), 1U) << entry;
    EXPECT_NE(errors[0].message.find("entry 2"), std::string::npos) << errors[0].message;
    EXPECT_EQ(errors[0].message.find("hunter2"), std::string::npos) << errors[0].message;
  }
}

TEST(ConfigProperties, AfterASecretAreNotNamedSinceTheyMayBeAPartOfIt) {
  for (const std::string entry :
       {"hunter2.url=x", "hunter2_cb=x", "test.mock.hunter2=x", "c.hunter2=\x01"}) {
    const auto errors = bad({{"KAFKA_PROPERTIES", "ssl.key.password=a.b;" + entry}});
    ASSERT_EQ(errors.size(), 1U) << entry;
    EXPECT_NE(errors[0].message.find("entry 2 (not shown"), std::string::npos) << errors[0].message;
    EXPECT_EQ(errors[0].message.find("hunter2"), std::string::npos) << errors[0].message;
  }
}

TEST(ConfigProperties, ThatLibrdkafkaRefusesAreNamedUnlessTheyMayBePartOfASecret) {
  const Properties extra{
      {"no.such", "1"}, {"ssl.key.password", "a.b"}, {"c.hunter2", "1"}, {"acks", "x"}};
  EXPECT_EQ(property_refusal(extra, "no.such", "No such configuration property: \"no.such\""),
            "librdkafka refuses no.such: No such configuration property: \"no.such\"");
  EXPECT_EQ(property_refusal(extra, "c.hunter2", "No such configuration property: \"c.hunter2\""),
            "librdkafka does not know the name of entry 3 (not shown: it may be a part of a "
            "value, since values cannot hold ';')");
  EXPECT_EQ(property_refusal(extra, "acks", "Invalid value"),
            "librdkafka refuses acks: Invalid value");
  const auto nameless = property_refusal({{"hunter2", "1"}}, "hunter2",
                                         "No such configuration property: \"hunter2\"");
  EXPECT_NE(nameless.find("entry 1 (not shown"), std::string::npos) << nameless;
  EXPECT_EQ(nameless.find("hunter2"), std::string::npos) << nameless;
}

TEST(ConfigProperties, ThatNameAFileNeedOneThatCanBeRead) {
  const std::string property = "ssl.certificate.location=";
  for (const std::string& path : {std::string("/nonexistent"), testing::TempDir()}) {
    const auto errors = bad({{"KAFKA_PROPERTIES", property + path}});
    ASSERT_EQ(errors.size(), 1U) << path;
    EXPECT_NE(errors[0].message.find("unreadable"), std::string::npos) << errors[0].message;
  }
  const std::string file = testing::TempDir() + "config_test_certificate";
  std::ofstream(file) << "";
  EXPECT_TRUE(bad({{"KAFKA_PROPERTIES", property + file}}).empty());
}

TEST(ConfigProperties, AreRefusedWhenGivenTwiceOrWithControlCharacters) {
  EXPECT_NE(to_text(bad({{"KAFKA_PROPERTIES", "client.id=a;client.id=b"}})).find("given twice"),
            std::string::npos);
  EXPECT_NE(to_text(bad({{"KAFKA_PROPERTIES", "client.id=a\x01"}})).find("control characters"),
            std::string::npos);
}

TEST(ConfigProperties, MayRepeatWhatTheServiceSetsAnyway) {
  const Config config =
      good({{"KAFKA_PROPERTIES", "isolation.level=read_committed;group.protocol=classic"}});
  EXPECT_EQ(config.kafka.extra.size(), 2U);
}

TEST(ConfigProperties, RaiseTheLimitOfTheSessionTimeout) {
  const Config config = good({{"KAFKA_SESSION_TIMEOUT_MS", "400000"},
                              {"KAFKA_PROPERTIES", "max.poll.interval.ms=500000"}});
  EXPECT_EQ(config.kafka.session_timeout.count(), 400'000);
}

TEST(ConfigSasl, NeedsUserAndPassword) {
  const auto errors = bad({{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"}});
  ASSERT_EQ(errors.size(), 2U);
  EXPECT_EQ(errors[0].variable, "KAFKA_SASL_USERNAME");
  EXPECT_EQ(errors[1].variable, "KAFKA_SASL_PASSWORD");
  EXPECT_TRUE(
      bad({{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"}, {"KAFKA_SASL_MECHANISM", "GSSAPI"}}).empty());
}

TEST(ConfigSasl, WarnsOfAPasswordThatIsNotUsed) {
  const Config config = good({{"KAFKA_SASL_PASSWORD", "pw"}});
  ASSERT_EQ(config.warnings.size(), 1U);
  EXPECT_NE(config.warnings[0].find("KAFKA_SASL_PASSWORD"), std::string::npos);
}

struct StartCase {
  std::string text;
  std::optional<std::int64_t> unix_ms;
};

TEST(ConfigStart, TakesRfc3339Times) {
  const std::vector<StartCase> cases = {
      {"1970-01-01T00:00:00Z", 0},
      {"2024-01-15T10:30:00Z", 1'705'314'600'000},
      {"2024-01-15t10:30:00z", 1'705'314'600'000},
      {"2024-01-15 10:30:00Z", 1'705'314'600'000},
      {"2024-01-15T12:30:00+02:00", 1'705'314'600'000},
      {"2024-01-15T05:00:00-05:30", 1'705'314'600'000},
      {"2024-01-15T10:30:00-00:00", 1'705'314'600'000},
      {"2024-01-15T10:30:00.5Z", 1'705'314'600'500},
      {"2024-01-15T10:30:00.1234567891Z", 1'705'314'600'123},
      {"2024-02-29T00:00:00Z", 1'709'164'800'000},
      {"2016-12-31T23:59:60Z", 1'483'228'800'000},
      {"9999-12-31T23:59:59Z", 253'402'300'799'000},
      {"2023-02-29T00:00:00Z", std::nullopt},
      {"2024-00-01T00:00:00Z", std::nullopt},
      {"2024-13-01T00:00:00Z", std::nullopt},
      {"2024-01-32T00:00:00Z", std::nullopt},
      {"2024-01-15T24:00:00Z", std::nullopt},
      {"2024-01-15T10:60:00Z", std::nullopt},
      {"2024-01-15T10:30:61Z", std::nullopt},
      {"2024-01-15T10:30:00", std::nullopt},
      {"2024-01-15T10:30:00.Z", std::nullopt},
      {"2024-01-15T10:30:00+2:00", std::nullopt},
      {"2024-01-15T10:30:00+24:00", std::nullopt},
      {"2024-01-15T10:30Z", std::nullopt},
      {"2024-01-15", std::nullopt},
      {"24-01-15T10:30:00Z", std::nullopt},
      {"2024-01-15T10:30:00Zjunk", std::nullopt},
      {"1969-12-31T23:59:59Z", std::nullopt},
      {"1970-01-01T00:00:00+00:01", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& [text, unix_ms] : cases) EXPECT_EQ(parse_rfc3339(text), unix_ms) << text;
  EXPECT_EQ(format_rfc3339(1'705'314'600'005), "2024-01-15T10:30:00.005Z");
  const Config config = good({{"KAFKA_START", "2024-01-15T12:30:00+02:00"}});
  EXPECT_EQ(std::get<StartAtTime>(config.kafka.start).unix_ms, 1'705'314'600'000);
  EXPECT_TRUE(describes(config, "KAFKA_START=2024-01-15T10:30:00.000Z"));
}

TEST(ConfigValues, KnowWhetherKafkaStartWasChosen) {
  EXPECT_EQ(good({}).kafka.start_source, StartSource::kDefault);
  EXPECT_EQ(good({{"KAFKA_START", ""}}).kafka.start_source, StartSource::kDefault);
  EXPECT_EQ(good({{"KAFKA_START", "earliest"}}).kafka.start_source, StartSource::kExplicit);
}

TEST(ConfigBasePath, IsNormalised) {
  const std::string here = std::filesystem::current_path().string();
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"s3a://bucket", "s3://bucket"},
      {"s3://bucket/", "s3://bucket"},
      {"s3a://bucket/a/b//", "s3://bucket/a/b"},
      {"file:///data/x/", "file:///data/x"},
      {"/data//x/./y/", "file:///data/x/y"},
      {"//data", "file:///data"},
      {"data", "file://" + here + "/data"},
      {"./data/x", "file://" + here + "/data/x"},
      {"a=b/c:d", "file://" + here + "/a=b/c:d"},
      {"./s3/a@b", "file://" + here + "/s3/a@b"},
  };
  for (const auto& [text, uri] : cases) {
    EXPECT_EQ(good({{"DELTA_BASE_PATH", text}}).store.base_uri, uri) << text;
  }
}

TEST(ConfigTopics, ThatBeginWithACaretAreRegularExpressions) {
  const Config config = good({{"KAFKA_TOPICS", "a, ^b(c|d)+$ ,e"}});
  EXPECT_EQ(config.kafka.topics, (std::vector<std::string>{"a", "e"}));
  EXPECT_EQ(config.kafka.patterns, std::vector<std::string>{"^b(c|d)+$"});
  EXPECT_TRUE(describes(config, "KAFKA_TOPICS=a,e,^b(c|d)+$"));
}

TEST(ConfigTopics, MayBeRegularExpressionsOnly) {
  const Config config = good({{"KAFKA_TOPICS", "^a"}});
  EXPECT_TRUE(config.kafka.topics.empty());
  EXPECT_EQ(config.kafka.patterns.size(), 1U);
}

TEST(ConfigTopics, MayBeInternalOnesWithoutARegularExpression) {
  EXPECT_EQ(good({{"KAFKA_TOPICS", "__a,dlq_bronze_b"}}).kafka.topics.size(), 2U);
}

TEST(ConfigBasePath, ThatIsLocalNeedsNoOptions) {
  const Config config = good({{"DELTA_BASE_PATH", "/data"}});
  EXPECT_TRUE(config.store.options.empty());
  EXPECT_TRUE(describes(config, "DELTA_BASE_PATH=file:///data"));
  for (const std::string& line : describe(config)) EXPECT_FALSE(line.starts_with("S3_")) << line;
}

TEST(ConfigBasePath, ThatIsLocalLimitsTopicNames) {
  const std::string topic(245, 'x');
  EXPECT_TRUE(bad({{"KAFKA_TOPICS", topic}}).empty());
  const auto errors = bad({{"KAFKA_TOPICS", topic}, {"DELTA_BASE_PATH", "/data"}});
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_NE(errors[0].message.find("at most 244"), std::string::npos) << errors[0].message;
}

TEST(ConfigBasePath, WinsOverTheBucketWithAWarning) {
  EXPECT_EQ(good({{"BRONZE_BUCKET", "mine"}}).store.base_uri, "s3://mine");
  const std::vector<std::pair<std::string, std::size_t>> warnings_of = {
      {"s3a://other", 1}, {"/data", 1}, {"s3a://mine", 0}, {"s3://mine/prefix", 0}};
  for (const auto& [path, count] : warnings_of) {
    const Config config = good({{"BRONZE_BUCKET", "mine"}, {"DELTA_BASE_PATH", path}});
    EXPECT_EQ(config.warnings.size(), count) << path;
    EXPECT_EQ(config.store.base_uri.find("mine") != std::string::npos, count == 0) << path;
  }
}

struct EndpointCase {
  Env env;
  std::optional<std::string> endpoint;
  std::size_t warnings = 0;
};

TEST(ConfigEndpoint, IsTheFirstThatIsSet) {
  const std::vector<EndpointCase> cases = {
      {{{"S3_ENDPOINT_URL", "https://a"}, {"S3_ENDPOINT", "http://b"}}, "https://a"},
      {{{"S3_ENDPOINT", "http://b:9000/"}}, "http://b:9000"},
      {{{"S3_ENDPOINT_URL", ""}}, std::nullopt},
      {{{"S3_ENDPOINT", ""}}, std::nullopt},
      {{{"S3_ENDPOINT_URL", ""}, {"S3_ENDPOINT", "http://b"}}, std::nullopt, 1},
      {{{"S3_ENDPOINT_URL", "HTTP://A:1/x"}}, "HTTP://A:1/x"},
      {{{"S3_ENDPOINT_URL", "http://[::1]:9000"}}, "http://[::1]:9000"},
      {{{"AWS_ENDPOINT_URL", "http://c"}}, "http://minio:9000", 1},
  };
  for (const auto& [env, endpoint, warnings] : cases) {
    const Config config = good(env);
    EXPECT_EQ(option_of(config, "aws_endpoint"), endpoint);
    EXPECT_EQ(config.warnings.size(), warnings) << endpoint.value_or("AWS");
    const bool is_http =
        endpoint && (endpoint->starts_with("http:") || endpoint->starts_with("HTTP:"));
    EXPECT_EQ(option_of(config, "aws_allow_http").has_value(), is_http);
    EXPECT_EQ(option_of(config, "aws_virtual_hosted_style_request"),
              endpoint.has_value() ? "false" : "true");
    EXPECT_TRUE(describes(config, "S3_ENDPOINT_URL=" + endpoint.value_or("(AWS)")));
  }
}

struct KeyCase {
  Env env;
  std::optional<std::string> key;
};

std::string readable_file() {
  const std::string path = testing::TempDir() + "config_test_token";
  std::ofstream(path) << "token";
  return path;
}

TEST(ConfigKeys, DefaultOnlyWithoutAnyOtherSource) {
  const std::string file = readable_file();
  const std::vector<KeyCase> cases = {
      {{}, "minioadmin"},
      {{{"AWS_ACCESS_KEY_ID", "a"}, {"AWS_SECRET_ACCESS_KEY", "b"}}, "a"},
      {{{"AWS_ACCESS_KEY_ID", ""}, {"AWS_SECRET_ACCESS_KEY", ""}}, std::nullopt},
      {{{"AWS_ACCESS_KEY_ID", ""}}, std::nullopt},
      {{{"AWS_SECRET_ACCESS_KEY", ""}}, std::nullopt},
      {{{"AWS_PROFILE", "p"}, {"AWS_CONFIG_FILE", file}}, std::nullopt},
      {{{"AWS_PROFILE", ""}}, "minioadmin"},
      {{{"AWS_SHARED_CREDENTIALS_FILE", file}}, std::nullopt},
      {{{"AWS_CONFIG_FILE", file}}, std::nullopt},
      {{{"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://x"}}, std::nullopt},
      {{{"AWS_WEB_IDENTITY_TOKEN_FILE", file}, {"AWS_ROLE_ARN", "arn"}}, std::nullopt},
      {{{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"}}, std::nullopt},
      {{{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://x"}}, std::nullopt},
      {{{"AWS_WEB_IDENTITY_TOKEN_FILE", file},
        {"AWS_ROLE_ARN", "arn"},
        {"AWS_ACCESS_KEY_ID", "a"},
        {"AWS_SECRET_ACCESS_KEY", "b"}},
       "a"},
  };
  for (const auto& [env, key] : cases) {
    const Config config = good(env);
    EXPECT_EQ(option_of(config, "aws_access_key_id"), key);
    EXPECT_EQ(option_of(config, "aws_secret_access_key").has_value(), key.has_value());
  }
}

TEST(ConfigKeys, OtherSourcesArePassedThrough) {
  const std::string file = readable_file();
  const Config config = good({{"AWS_WEB_IDENTITY_TOKEN_FILE", file},
                              {"AWS_ROLE_ARN", "arn"},
                              {"AWS_ROLE_SESSION_NAME", "name"},
                              {"AWS_ENDPOINT_URL_STS", "https://sts"},
                              {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/r"},
                              {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1/f"},
                              {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file},
                              {"AWS_CONTAINER_AUTHORIZATION_TOKEN", "token"},
                              {"AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://m"},
                              {"AWS_EC2_METADATA_DISABLED", "true"},
                              {"AWS_REGION", "eu-central-1"}});
  EXPECT_EQ(option_of(config, "aws_web_identity_token_file"), file);
  EXPECT_EQ(option_of(config, "aws_role_arn"), "arn");
  EXPECT_EQ(option_of(config, "aws_role_session_name"), "name");
  EXPECT_EQ(option_of(config, "aws_endpoint_url_sts"), "https://sts");
  EXPECT_EQ(option_of(config, "aws_container_credentials_relative_uri"), "/r");
  EXPECT_EQ(option_of(config, "aws_container_credentials_full_uri"), "http://127.0.0.1/f");
  EXPECT_EQ(option_of(config, "aws_container_authorization_token_file"), file);
  EXPECT_EQ(option_of(config, "aws_container_authorization_token"), "token");
  EXPECT_TRUE(describes(config, "AWS_CONTAINER_AUTHORIZATION_TOKEN=***"));
  EXPECT_EQ(option_of(config, "aws_metadata_endpoint"), "http://m");
  EXPECT_EQ(option_of(config, "aws_ec2_metadata_disabled"), "true");
  EXPECT_EQ(option_of(config, "aws_region"), "eu-central-1");
}

TEST(ConfigKeys, HalfADescriptionIsRefused) {
  const std::string file = readable_file();
  const std::vector<std::pair<Env, std::string>> cases = {
      {{{"AWS_ACCESS_KEY_ID", "a"}}, "AWS_SECRET_ACCESS_KEY"},
      {{{"AWS_SECRET_ACCESS_KEY", "a"}}, "AWS_ACCESS_KEY_ID"},
      {{{"AWS_SECRET_ACCESS_KEY", "a"}, {"AWS_ACCESS_KEY_ID", ""}}, "AWS_ACCESS_KEY_ID"},
      {{{"AWS_SESSION_TOKEN", "t"}}, "AWS_ACCESS_KEY_ID"},
      {{{"AWS_WEB_IDENTITY_TOKEN_FILE", file}}, "AWS_ROLE_ARN"},
      {{{"AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent"}, {"AWS_ROLE_ARN", "arn"}},
       "AWS_WEB_IDENTITY_TOKEN_FILE"},
      {{{"AWS_WEB_IDENTITY_TOKEN_FILE", testing::TempDir()}, {"AWS_ROLE_ARN", "arn"}},
       "AWS_WEB_IDENTITY_TOKEN_FILE"},
      {{{"AWS_ACCESS_KEY_ID", "a\n"}, {"AWS_SECRET_ACCESS_KEY", "b"}}, "AWS_ACCESS_KEY_ID"},
  };
  for (const auto& [env, variable_name] : cases) {
    const auto errors = bad(env);
    ASSERT_EQ(errors.size(), 1U) << variable_name << "\n" << to_text(errors);
    EXPECT_EQ(errors[0].variable, variable_name);
  }
}

TEST(ConfigMemory, IsTheSmallerOfTheCgroupAnd256) {
  EXPECT_EQ(good({}, 512 * k_mib).memory_limit_bytes, 256 * k_mib);
  EXPECT_EQ(good({}, 100 * k_mib + 5).memory_limit_bytes, 100 * k_mib + 5);
  EXPECT_EQ(good({{"MEMORY_LIMIT_MB", "1000"}}).memory_limit_bytes, 1000 * k_mib);
  const auto errors = bad({}, 63 * k_mib);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].variable, "MEMORY_LIMIT_MB");
  EXPECT_NE(errors[0].message.find("below the minimum"), std::string::npos);
}

TEST(ConfigMemory, AboveTheCgroupIsWarnedOf) {
  EXPECT_EQ(good({{"MEMORY_LIMIT_MB", "200"}}, 100 * k_mib).warnings.size(), 1U);
  EXPECT_EQ(good({{"MEMORY_LIMIT_MB", "100"}}, 100 * k_mib).warnings.size(), 0U);
}

TEST(ConfigHealth, WarnsOfARuleThatCannotHold) {
  EXPECT_EQ(
      good({{"HEALTH_WHEN_IDLE", "unhealthy"}, {"BATCH_INTERVAL_SECONDS", "60"}}).warnings.size(),
      1U);
}

const std::vector<std::string> k_secret_properties = {
    "ssl.key.password",
    "ssl.keystore.password",
    "ssl.key.pem",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "ssl_key",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
    "SSL.Key.Password",
    "sasl.kerberos.kinit.cmd"};

Env all_secrets() {
  std::string properties = "client.id=visible";
  for (const std::string& key : k_secret_properties) properties += "\n" + key + "=hunter2-" + key;
  return {{"KAFKA_SECURITY_PROTOCOL", "SASL_SSL"},
          {"KAFKA_SASL_USERNAME", "me"},
          {"KAFKA_SASL_PASSWORD", "hunter2-kafka"},
          {"AWS_ACCESS_KEY_ID", "hunter2-id"},
          {"AWS_SECRET_ACCESS_KEY", "hunter2-key"},
          {"AWS_SESSION_TOKEN", "hunter2-token"},
          {"SCHEMA_REGISTRY_URL", "https://r"},
          {"SCHEMA_REGISTRY_USERNAME", "me"},
          {"SCHEMA_REGISTRY_PASSWORD", "hunter2-registry"},
          {"REDIS_URL", "rediss://me:hunter2-redis@cache"},
          {"KAFKA_PROPERTIES", properties}};
}

TEST(ConfigSecrets, NeverAppearInTheDescription) {
  const Config config = good(all_secrets());
  std::string text;
  for (const std::string& line : describe(config)) text += line + "\n";
  EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
  EXPECT_NE(text.find("KAFKA_SASL_PASSWORD=***"), std::string::npos) << text;
  EXPECT_NE(text.find("AWS_SESSION_TOKEN=***"), std::string::npos) << text;
  EXPECT_NE(text.find("SCHEMA_REGISTRY_PASSWORD=***"), std::string::npos) << text;
  EXPECT_NE(text.find("REDIS_URL=rediss://me:***@cache:6379/0"), std::string::npos) << text;
  EXPECT_NE(text.find("client.id=visible;ssl.key.password=***"), std::string::npos) << text;
  for (const std::string& warning : config.warnings) {
    EXPECT_EQ(warning.find("hunter2"), std::string::npos);
  }
}

TEST(ConfigSecrets, NeverAppearInErrors) {
  Env env = all_secrets();
  for (const Variable& row : variables()) {
    if (row.secrecy == Secrecy::kSecret) env[std::string(row.name)] = "hunter2 \n";
  }
  env["KAFKA_PROPERTIES"] += "\nsasl.password=hunter2\nhunter2\nssl.key.location=hunter2";
  env["S3_ENDPOINT_URL"] = "http://user:hunter2@host";
  env["REDIS_URL"] = "redis://me:hunter2@host:port";
  const auto errors = bad(env);
  EXPECT_EQ(errors.size(), 12U) << to_text(errors);
  EXPECT_EQ(to_text(errors).find("hunter2"), std::string::npos) << to_text(errors);
}

TEST(ConfigSecrets, HideInAddresses) {
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"KAFKA_BOOTSTRAP_SERVERS", "me:hunter2@host:9092"},
           {"S3_ENDPOINT_URL", "https://host:9000/?key=hunter2"},
           {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://me:hunter2@host/"},
           {"KAFKA_PROPERTIES", "sasl.oauthbearer.token.endpoint.url=http://me:hunter2@host/token"},
           {"KAFKA_PROPERTIES", "sasl.oauthbearer.token.endpoint.url=https://host/?key=hunter2"},
       }) {
    const auto errors = bad({{"KAFKA_TOPICS", "a"}, {name, value}});
    ASSERT_EQ(errors.size(), 1U) << name;
    EXPECT_EQ(errors[0].variable, name);
    EXPECT_EQ(to_text(errors).find("hunter2"), std::string::npos) << to_text(errors);
  }
  const Config config =
      good({{"KAFKA_TOPICS", "a"},
            {"KAFKA_PROPERTIES", "sasl.oauthbearer.extensions=pw=hunter2"},
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI", "https://host/creds?token=hunter2"}});
  std::string text;
  for (const std::string& line : describe(config)) text += line + "\n";
  EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
  EXPECT_NE(text.find("https://host/creds?***"), std::string::npos) << text;
}

std::string source_of(const Config& config, std::string_view variable) {
  for (const Setting& setting : effective_settings(config)) {
    if (setting.variable == variable) return setting.source;
  }
  return "(not in effect)";
}

TEST(ConfigSources, TellTheEnvironmentFromTheDefault) {
  const Config config =
      good({{"KAFKA_TOPICS", "a"}, {"KAFKA_CONSUMER_GROUP", ""}, {"KAFKA_START", "earliest"}});
  EXPECT_EQ(source_of(config, "KAFKA_TOPICS"), "environment");
  EXPECT_EQ(source_of(config, "KAFKA_CONSUMER_GROUP"), "default");
  EXPECT_EQ(source_of(config, "KAFKA_START"), "environment");
  EXPECT_EQ(source_of(config, "KAFKA_SASL_PASSWORD"), "(not in effect)");
}

TEST(ConfigSources, NameTheRuleThatDerivedAValue) {
  EXPECT_EQ(source_of(good({}), "DELTA_BASE_PATH"), "default");
  EXPECT_EQ(source_of(good({{"BRONZE_BUCKET", "mine"}}), "DELTA_BASE_PATH"), "BRONZE_BUCKET");
  EXPECT_EQ(source_of(good({{"BRONZE_BUCKET", "mine"}, {"DELTA_BASE_PATH", "s3a://mine"}}),
                      "DELTA_BASE_PATH"),
            "environment");
  EXPECT_EQ(source_of(good({}), "S3_ENDPOINT_URL"), "default");
  EXPECT_EQ(source_of(good({{"S3_ENDPOINT", "http://a"}}), "S3_ENDPOINT_URL"), "S3_ENDPOINT");
  EXPECT_EQ(source_of(good({{"S3_ENDPOINT", "http://a"}, {"S3_ENDPOINT_URL", "http://b"}}),
                      "S3_ENDPOINT_URL"),
            "environment");
  EXPECT_EQ(source_of(good({{"S3_ENDPOINT_URL", ""}}), "S3_ENDPOINT_URL"), "environment");
}

TEST(ConfigSources, OfTheMemoryLimitMayBeTheCgroup) {
  EXPECT_EQ(source_of(good({}), "MEMORY_LIMIT_MB"), "default");
  EXPECT_EQ(source_of(good({}, 100 * k_mib), "MEMORY_LIMIT_MB"), "cgroup");
  EXPECT_EQ(source_of(good({}, 1000 * k_mib), "MEMORY_LIMIT_MB"), "default");
  EXPECT_EQ(source_of(good({{"MEMORY_LIMIT_MB", "80"}}, 100 * k_mib), "MEMORY_LIMIT_MB"),
            "environment");
}

TEST(ConfigSources, ComeWithMaskedSecrets) {
  for (const Setting& setting : effective_settings(good(all_secrets()))) {
    EXPECT_EQ(setting.value.find("hunter2"), std::string::npos) << setting.variable;
    if (setting.variable == "AWS_SECRET_ACCESS_KEY") {
      EXPECT_EQ(setting.value, "***");
      EXPECT_EQ(setting.source, "environment");
    }
  }
}

TEST(ConfigVariables, AreUniqueAndInHelp) {
  std::set<std::string_view> names;
  const std::string help = variables_help();
  for (const Variable& row : variables()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_NE(help.find("  " + std::string(row.name)), std::string::npos) << row.name;
    EXPECT_NE(help.find(row.default_text), std::string::npos) << row.name;
    EXPECT_NE(help.find(row.meaning), std::string::npos) << row.name;
  }
}

TEST(ConfigVariables, AreDescribedInTheOrderOfTheTable) {
  const auto lines = describe(good({{"BATCH_INTERVAL_SECONDS", "0.5"}}));
  std::size_t next = 0;
  for (const Variable& row : variables()) {
    if (next < lines.size() && lines[next].starts_with(std::string(row.name) + "=")) ++next;
  }
  EXPECT_EQ(next, lines.size());
  EXPECT_NE(std::ranges::find(lines, "BATCH_INTERVAL_SECONDS=0.5"), lines.end());
  EXPECT_NE(std::ranges::find(lines, "MEMORY_LIMIT_MB=256"), lines.end());
  EXPECT_EQ(lines.front(), "KAFKA_BOOTSTRAP_SERVERS=kafka:29092");
}

}  // namespace
}  // namespace bronze::config
