#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/format_checks.h"
#include "decode/validator.h"
#include "schema/schema_folder.h"

namespace bronze::schema {

/// Where the files of schemas are, and how they are read.
struct Settings {
  /// DLQ_SCHEMA_DIR; empty = there are none.
  std::filesystem::path folder;
  FormatChecks formats = FormatChecks::kIgnore;
  /// Full names by topic, for those whose values are not of the first message of their file.
  std::map<std::string, std::string, std::less<>> protobuf_messages;
};

/// What the values of a topic are.
enum class Payload {
  kJson,
  /// Avro, Protobuf: only the validator understands it.
  kBinary,
};

struct TopicSchema {
  std::unique_ptr<decode::Validator> validator;
  Payload payload = Payload::kJson;
};

using FoundSchema = std::variant<NoSchema, TopicSchema, std::vector<SchemaFault>>;

/// The schema of a topic, by what is in the folder now. Reads files, so not for the ingest thread
/// in full flow.
[[nodiscard]] FoundSchema find_schema(const std::string& topic, const Settings& settings);

/// All that is wrong with the folder and the schemas of these topics, each fault once.
[[nodiscard]] std::vector<SchemaFault> schema_faults(std::span<const std::string> topics,
                                                     const Settings& settings);

}  // namespace bronze::schema
