#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/format_checks.h"
#include "schema/json_schema_validator.h"
#include "schema/schema_fault.h"

namespace bronze::schema {

/// Where the schemas of the topics come from.
struct Settings {
  /// DLQ_SCHEMA_DIR
  std::filesystem::path folder;
  FormatChecks formats = FormatChecks::kIgnore;
};

/// A validator for the values of a topic, by what is in the folder now; nullptr = the topic has no
/// schema. Reads files, so not for the ingest thread in full flow.
[[nodiscard]] MadeValidator make_validator(const std::string& topic, const Settings& settings);

/// All that is wrong with the folder and the schemas of these topics, each fault once.
[[nodiscard]] std::vector<SchemaFault> schema_faults(std::span<const std::string> topics,
                                                     const Settings& settings);

}  // namespace bronze::schema
