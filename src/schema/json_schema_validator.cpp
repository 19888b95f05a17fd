#include "schema/json_schema_validator.h"

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iterator>
#include <string_view>
#include <utility>

#include "bronze-bridge/src/lib.rs.h"

namespace bronze::schema {
namespace {

rust::Slice<const std::uint8_t> bytes_of(std::string_view text) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters are bytes
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

bridge::FormatChecks to_bridge(FormatChecks formats) {
  switch (formats) {
    case FormatChecks::kIgnore:
      return bridge::FormatChecks::Ignore;
    case FormatChecks::kCheck:
      return bridge::FormatChecks::Check;
  }
  return bridge::FormatChecks::Ignore;
}

class JsonSchemaValidator final : public decode::Validator {
 public:
  /// REQUIRES: the schema has no problems.
  explicit JsonSchemaValidator(rust::Box<bridge::JsonSchema> schema) : schema_(std::move(schema)) {}

  [[nodiscard]] decode::Verdict check(std::string_view value) override {
    try {
      const auto verdict = schema_->check(bytes_of(value));
      if (verdict.ok) return decode::Accepted{};
      return error(std::string(verdict.message));
    } catch (const std::exception& failure) {
      // The library's fault; as a dead letter the record is kept, and the others go on.
      return error(std::string("the check failed: ") + failure.what());
    }
  }

  [[nodiscard]] decode::FetchOutcome fetch(std::int32_t /*id*/) override {
    return {.status = decode::FetchStatus::kFetched, .message = ""};
  }

 private:
  static decode::RecordError error(std::string message) {
    return {.type = "SCHEMA_VALIDATION_ERROR", .message = std::move(message)};
  }

  rust::Box<bridge::JsonSchema> schema_;
};

}  // namespace

MadeValidator make_json_schema_validator(const std::string& name,
                                         const std::vector<Document>& documents,
                                         FormatChecks formats) {
  std::vector<bridge::SchemaDocument> sources;
  for (const Document& document : documents) {
    bridge::SchemaDocument source;
    source.name = rust::String::lossy(document.name);
    std::ranges::copy(bytes_of(document.text), std::back_inserter(source.text));
    sources.push_back(std::move(source));
  }
  auto schema = bridge::compile_json_schema(rust::String::lossy(name),
                                            {sources.data(), sources.size()}, to_bridge(formats));
  std::vector<SchemaFault> faults;
  for (const auto& problem : schema->problems()) {
    faults.push_back({.file = std::string(problem.file),
                      .place = std::string(problem.place),
                      .message = std::string(problem.message)});
  }
  if (!faults.empty()) return faults;
  return std::make_unique<JsonSchemaValidator>(std::move(schema));
}

}  // namespace bronze::schema
