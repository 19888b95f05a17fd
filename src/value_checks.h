#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "config/config.h"
#include "decode/decoder.h"
#include "decode/validator.h"
#include "schema/registry.h"
#include "schema/validators.h"

namespace bronze {

/// What the values of a topic must be, by the settings and the schemas that are there now.
struct ValueChecks {
  decode::DecoderSettings decoder;
  /// nullptr = the topic has no schema, or schemas are not asked for.
  std::unique_ptr<decode::Validator> validator;
};

/// Makes the checks of topics. Owned by the app, of the service or of replay; outlives the
/// validators.
class ValueRules {
 public:
  /// Throws std::exception when the registry's settings cannot be used.
  explicit ValueRules(const config::Config& config);

  /// Otherwise why the topic's schema cannot be used. Reads files.
  [[nodiscard]] std::variant<ValueChecks, std::string> checks_of(const std::string& topic) const;

 private:
  const config::Validation validation_;
  const RawValue raw_value_;
  const schema::Settings schemas_;
  /// nullptr = there is none, or schemas are not asked for.
  const std::unique_ptr<schema::Registry> registry_;
};

/// All that is wrong with the schemas of the listed topics and with the settings of the registry.
/// Reads files.
[[nodiscard]] std::vector<config::ConfigError> refused_schemas(const config::Config& config);

}  // namespace bronze
