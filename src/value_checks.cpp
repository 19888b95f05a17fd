#include "value_checks.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "schema/validators.h"

namespace bronze {
namespace {

schema::Settings schema_settings(const config::Config& config) {
  return {.folder = config.dead_letters.schema_dir, .formats = config.schema_formats};
}

}  // namespace

std::variant<ValueChecks, std::string> value_checks(const config::Config& config,
                                                    const std::string& topic) {
  ValueChecks checks;
  const config::Validation validation = config.dead_letters.validation;
  if (validation != config::Validation::kUtf8) checks.decoder.form = decode::TextForm::kJson;
  if (validation != config::Validation::kSchema) return checks;
  auto made = schema::make_validator(topic, schema_settings(config));
  if (const auto* faults = std::get_if<std::vector<schema::SchemaFault>>(&made)) {
    return "its schema cannot be used: " + faults->front().text();
  }
  checks.validator = std::get<std::unique_ptr<decode::Validator>>(std::move(made));
  if (!checks.validator) {
    spdlog::info("{}: there is no schema of this topic in {}: its values must only be JSON", topic,
                 config.dead_letters.schema_dir);
  }
  return checks;
}

std::vector<std::string> schema_faults(const config::Config& config) {
  std::vector<std::string> told;
  if (config.dead_letters.validation != config::Validation::kSchema) return told;
  for (const auto& fault : schema::schema_faults(config.kafka.topics, schema_settings(config))) {
    told.push_back(fault.text());
  }
  return told;
}

}  // namespace bronze
