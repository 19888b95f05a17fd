#include "value_checks.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <exception>
#include <utility>

namespace bronze {
namespace {

constexpr std::chrono::seconds k_registry_connect_timeout{5};
constexpr std::chrono::seconds k_registry_request_timeout{10};

schema::Settings schema_settings(const config::Config& config) {
  return {.folder = config.dead_letters.schema_dir,
          .formats = config.schema_formats,
          .protobuf_messages = config.protobuf_messages};
}

std::unique_ptr<schema::Registry> open_registry(const config::Config& config) {
  if (config.registry.urls.empty() ||
      config.dead_letters.validation != config::Validation::kSchema) {
    return nullptr;
  }
  return std::make_unique<schema::Registry>(
      schema::RegistrySettings{.urls = config.registry.urls,
                               .username = config.registry.username,
                               .password = config.registry.password,
                               .username_file = config.registry.username_file,
                               .password_file = config.registry.password_file,
                               .ca_file = config.registry.ca_file,
                               .connect_timeout = k_registry_connect_timeout,
                               .request_timeout = k_registry_request_timeout,
                               .formats = config.schema_formats});
}

}  // namespace

ValueRules::ValueRules(const config::Config& config)
    : validation_(config.dead_letters.validation),
      raw_value_(config.raw_value),
      schemas_(schema_settings(config)),
      registry_(open_registry(config)) {}

std::variant<ValueChecks, std::string> ValueRules::checks_of(const std::string& topic) const {
  ValueChecks checks;
  checks.decoder.raw_value = raw_value_;
  if (validation_ == config::Validation::kUtf8) return checks;
  checks.decoder.form = decode::TextForm::kJson;
  if (validation_ == config::Validation::kJson) return checks;
  auto found = schema::find_schema(topic, schemas_);
  if (const auto* faults = std::get_if<std::vector<schema::SchemaFault>>(&found)) {
    return "its schema cannot be used: " + faults->front().text();
  }
  if (auto* file = std::get_if<schema::TopicSchema>(&found)) {
    checks.validator = std::move(file->validator);
    if (file->payload == schema::Payload::kJson) return checks;
    checks.decoder.form = decode::TextForm::kAny;
    if (raw_value_ == RawValue::kString) {
      spdlog::warn("{}: its schema is of binary values, but RAW_VALUE=string takes only UTF-8",
                   topic);
    }
  } else if (registry_) {
    spdlog::info("{}: there is no file with its schema: each value must name one of the registry",
                 topic);
    checks.validator = registry_->validator();
    checks.decoder.form = decode::TextForm::kAny;
  } else {
    spdlog::info("{}: there is no schema of this topic in {}: its values must only be JSON", topic,
                 schemas_.folder.string());
  }
  return checks;
}

std::vector<config::ConfigError> refused_schemas(const config::Config& config) {
  std::vector<config::ConfigError> errors;
  if (config.dead_letters.validation != config::Validation::kSchema) return errors;
  for (const auto& fault : schema::schema_faults(config.kafka.topics, schema_settings(config))) {
    errors.push_back({"DLQ_SCHEMA_DIR", fault.text()});
  }
  try {
    (void)open_registry(config);
  } catch (const std::exception& refused) {
    const std::string& file = config.registry.ca_file;
    const std::string why = refused.what();
    const bool is_about_file = !file.empty() && why.starts_with(file);
    errors.push_back({is_about_file ? "SCHEMA_REGISTRY_CA" : "SCHEMA_REGISTRY_URL", why});
  }
  return errors;
}

}  // namespace bronze
