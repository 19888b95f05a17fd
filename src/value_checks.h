#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "config/config.h"
#include "decode/decoder.h"
#include "decode/validator.h"

namespace bronze {

/// What the values of a topic must be, by the settings and the schemas that are there now.
struct ValueChecks {
  decode::DecoderSettings decoder;
  /// nullptr = the topic has no schema, or schemas are not asked for.
  std::unique_ptr<decode::Validator> validator;
};

/// Otherwise why the topic's schema cannot be used. Reads files.
[[nodiscard]] std::variant<ValueChecks, std::string> value_checks(const config::Config& config,
                                                                  const std::string& topic);

/// All that is wrong with the schemas of the listed topics. Reads files.
[[nodiscard]] std::vector<std::string> schema_faults(const config::Config& config);

}  // namespace bronze
