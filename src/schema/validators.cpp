#include "schema/validators.h"

#include <set>
#include <utility>

#include "schema/file_validators.h"

namespace bronze::schema {
namespace {

std::vector<SchemaFault> only(SchemaFault fault) {
  std::vector<SchemaFault> faults;
  faults.push_back(std::move(fault));
  return faults;
}

MadeValidator make_validator(const std::string& topic, const SchemaFile& file,
                             const Settings& settings) {
  switch (file.language) {
    case SchemaLanguage::kJsonSchema:
      break;
    case SchemaLanguage::kAvro:
      return make_avro_validator(settings.folder / file.name);
    case SchemaLanguage::kProtobuf: {
      const auto message = settings.protobuf_messages.find(topic);
      return make_protobuf_validator(
          settings.folder / file.name,
          message == settings.protobuf_messages.end() ? "" : message->second);
    }
  }
  auto documents = SchemaFolder(settings.folder).documents(".json");
  if (auto* fault = std::get_if<SchemaFault>(&documents)) return only(std::move(*fault));
  return make_json_schema_validator(file.name, std::get<std::vector<Document>>(documents),
                                    settings.formats);
}

}  // namespace

FoundSchema find_schema(const std::string& topic, const Settings& settings) {
  if (settings.folder.empty()) return NoSchema{};
  auto found = SchemaFolder(settings.folder).find(topic);
  if (auto* fault = std::get_if<SchemaFault>(&found)) return only(std::move(*fault));
  if (std::holds_alternative<NoSchema>(found)) return NoSchema{};
  const auto& file = std::get<SchemaFile>(found);
  auto made = make_validator(topic, file, settings);
  if (auto* faults = std::get_if<std::vector<SchemaFault>>(&made)) return std::move(*faults);
  return TopicSchema{
      .validator = std::get<std::unique_ptr<decode::Validator>>(std::move(made)),
      .payload = file.language == SchemaLanguage::kJsonSchema ? Payload::kJson : Payload::kBinary};
}

std::vector<SchemaFault> schema_faults(std::span<const std::string> topics,
                                       const Settings& settings) {
  if (settings.folder.empty()) return {};
  std::set<SchemaFault> faults;
  // Without any topic known by name, the folder still has to be there.
  const auto documents = SchemaFolder(settings.folder).documents(".json");
  if (const auto* fault = std::get_if<SchemaFault>(&documents)) faults.insert(*fault);
  for (const std::string& topic : topics) {
    auto found = find_schema(topic, settings);
    if (auto* told = std::get_if<std::vector<SchemaFault>>(&found)) {
      faults.insert(told->begin(), told->end());
    }
  }
  return {faults.begin(), faults.end()};
}

}  // namespace bronze::schema
