#include "schema/validators.h"

#include <memory>
#include <set>
#include <utility>
#include <variant>

#include "schema/schema_folder.h"

namespace bronze::schema {
namespace {

std::vector<SchemaFault> only(SchemaFault fault) {
  std::vector<SchemaFault> faults;
  faults.push_back(std::move(fault));
  return faults;
}

}  // namespace

MadeValidator make_validator(const std::string& topic, const Settings& settings) {
  const SchemaFolder folder(settings.folder);
  auto found = folder.find(topic);
  if (auto* fault = std::get_if<SchemaFault>(&found)) return only(std::move(*fault));
  if (std::holds_alternative<NoSchema>(found)) return std::unique_ptr<decode::Validator>();
  const auto& file = std::get<SchemaFile>(found);
  switch (file.language) {
    case SchemaLanguage::kJsonSchema: {
      auto documents = folder.documents(".json");
      if (auto* fault = std::get_if<SchemaFault>(&documents)) return only(std::move(*fault));
      return make_json_schema_validator(file.name, std::get<std::vector<Document>>(documents),
                                        settings.formats);
    }
  }
  return std::unique_ptr<decode::Validator>();
}

std::vector<SchemaFault> schema_faults(std::span<const std::string> topics,
                                       const Settings& settings) {
  std::set<SchemaFault> faults;
  // Without any topic known by name, the folder still has to be there.
  const auto documents = SchemaFolder(settings.folder).documents(".json");
  if (const auto* fault = std::get_if<SchemaFault>(&documents)) faults.insert(*fault);
  for (const std::string& topic : topics) {
    auto made = make_validator(topic, settings);
    if (auto* found = std::get_if<std::vector<SchemaFault>>(&made)) {
      faults.insert(found->begin(), found->end());
    }
  }
  return {faults.begin(), faults.end()};
}

}  // namespace bronze::schema
