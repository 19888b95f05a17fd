#include "schema/file_validators.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>

#include "schema/verdict.h"

namespace bronze::schema {
namespace {

class FileValidator final : public decode::Validator {
 public:
  /// REQUIRES: the schema has no problems.
  explicit FileValidator(rust::Box<bridge::PayloadSchema> schema) : schema_(std::move(schema)) {}

  [[nodiscard]] decode::Verdict check(std::string_view value) override {
    return verdict_of([&] { return schema_->check(bytes_of(value)); });
  }

  [[nodiscard]] std::vector<decode::FetchOutcome> fetch(
      std::span<const std::int32_t> ids) override {
    std::vector<decode::FetchOutcome> outcomes;
    for (const std::int32_t id : ids) {
      outcomes.push_back({.id = id, .status = decode::FetchStatus::kFetched, .message = ""});
    }
    return outcomes;
  }

 private:
  rust::Box<bridge::PayloadSchema> schema_;
};

MadeValidator validator_of(rust::Box<bridge::PayloadSchema> schema) {
  std::vector<SchemaFault> faults;
  for (const auto& problem : schema->problems()) {
    faults.push_back({.file = std::string(problem.file),
                      .place = std::string(problem.place),
                      .message = std::string(problem.message)});
  }
  if (!faults.empty()) return faults;
  return std::make_unique<FileValidator>(std::move(schema));
}

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
  return validator_of(bridge::compile_json_schema(
      rust::String::lossy(name), {sources.data(), sources.size()}, to_bridge(formats)));
}

MadeValidator make_avro_validator(const std::filesystem::path& file) {
  return validator_of(bridge::load_avro(file.string()));
}

MadeValidator make_protobuf_validator(const std::filesystem::path& file,
                                      const std::string& message) {
  return validator_of(bridge::load_protobuf(file.string(), message));
}

}  // namespace bronze::schema
