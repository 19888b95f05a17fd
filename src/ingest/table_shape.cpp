#include "ingest/table_shape.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <variant>
#include <vector>

#include "batch/schema.h"

namespace bronze::ingest {
namespace {

/// What a table's schema lacks or has too much; otherwise its extra columns.
using SchemaReading = std::variant<ExtraColumns, std::string>;

constexpr const char* k_binary = "binary";

/// Comments on nested fields do not matter.
nlohmann::json plain_type(nlohmann::json type) {
  const auto fields = nlohmann::json::json_pointer("/elementType/fields");
  if (!type.is_object() || !type.contains(fields) || !type[fields].is_array()) return type;
  for (auto& field : type[fields]) {
    if (field.is_object()) field["metadata"] = nlohmann::json::object();
  }
  return type;
}

std::optional<std::string> not_nullable(const nlohmann::json& field) {
  if (field.value("nullable", nlohmann::json(true)) != nlohmann::json(false)) return std::nullopt;
  return "column " + field["name"].get<std::string>() + " must be nullable";
}

/// A rule about values that every writer has to check; also in a column's inner fields.
bool has_invariant(const nlohmann::json& field) {
  if (field.is_object() && field.contains("delta.invariants")) return true;
  return field.is_structured() && std::any_of(field.begin(), field.end(), has_invariant);
}

/// What a column asks of writers beyond its type.
std::optional<std::string> demand_of(const nlohmann::json& field) {
  if (auto difference = not_nullable(field)) return difference;
  if (!has_invariant(field)) return std::nullopt;
  return "column " + field["name"].get<std::string>() + " has an invariant, which is not supported";
}

/// REQUIRES: the first columns of `have`, before `begin`, are the six.
SchemaReading read_extra_columns(const nlohmann::json& have, std::size_t begin) {
  ExtraColumns found;
  const auto* next = k_extra_columns.begin();
  for (std::size_t i = begin; i < have.size(); ++i) {
    const auto name = have[i]["name"].get<std::string>();
    const auto is_named = [&](const ExtraColumn& column) { return column.name == name; };
    if (std::none_of(k_extra_columns.begin(), k_extra_columns.end(), is_named)) {
      return "it has the additional column " + name;
    }
    next = std::find_if(next, k_extra_columns.end(), is_named);
    if (next == k_extra_columns.end()) {
      constexpr ExtraColumns k_all{
          .topic = true, .key = true, .headers = true, .timestamp_type = true};
      return fmt::format("column {} is {}, but after the six columns the order is {}, each once",
                         i + 1, name, names_of(k_all));
    }
    const auto type = nlohmann::json::parse(batch::type_of(*next));
    if (plain_type(have[i]["type"]) != type) {
      return fmt::format("column {} should be {} {}", i + 1, name,
                         type.is_string() ? type.get<std::string>() : type.dump());
    }
    if (const auto demand = demand_of(have[i])) return *demand;
    found.*(next++)->member = true;
  }
  return found;
}

/// nullopt = it cannot be read.
std::optional<nlohmann::ordered_json> fields_of(const std::string& schema_json) {
  const auto found = nlohmann::ordered_json::parse(schema_json, nullptr, false);
  const auto is_field = [](const nlohmann::ordered_json& field) {
    return field.is_object() && field.contains("name") && field["name"].is_string() &&
           field.contains("type");
  };
  if (found.is_discarded() || !found.is_object() || !found.contains("fields") ||
      !found["fields"].is_array() ||
      !std::all_of(found["fields"].begin(), found["fields"].end(), is_field)) {
    return std::nullopt;
  }
  return found["fields"];
}

/// Names, types and order of the columns, and that each may be null.
SchemaReading read_schema(const std::string& schema_json) {
  const auto found = fields_of(schema_json);
  if (!found) return "it cannot be read";
  const nlohmann::json have = *found;
  const nlohmann::json want = *fields_of(batch::table_schema());
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto name = want[i]["name"].get<std::string>();
    const auto type = want[i]["type"].get<std::string>();
    const bool is_there = i < have.size() && have[i]["name"] == name &&
                          (have[i]["type"] == type || (i == 0 && have[i]["type"] == k_binary));
    if (!is_there) {
      return fmt::format("column {} should be {} {}", i + 1, name,
                         i == 0 ? "string or binary" : type);
    }
    if (const auto demand = demand_of(have[i])) return *demand;
  }
  return read_extra_columns(have, want.size());
}

/// A protocol that asks more of a writer than adding files that hold what they say. That a table
/// may have invariants asks nothing; columns that do have one are refused by the schema.
std::optional<std::string> unknown_writer_feature(const delta::TableShape& shape) {
  constexpr int k_plain_writer = 2;
  constexpr int k_named_features = 7;
  if (shape.min_writer_version <= k_plain_writer) return std::nullopt;
  if (shape.min_writer_version != k_named_features) {
    return "set of protocol version " + std::to_string(shape.min_writer_version);
  }
  static const std::set<std::string> k_harmless{
      "appendOnly",   "deletionVectors", "domainMetadata",     "invariants",
      "timestampNtz", "v2Checkpoint",    "vacuumProtocolCheck"};
  for (const auto& feature : shape.writer_features) {
    if (!k_harmless.contains(feature)) return feature;
  }
  return std::nullopt;
}

/// Whatever its columns are.
std::optional<std::string> refusal_beyond_schema(const delta::TableShape& shape) {
  if (shape.configuration.contains("delta.setTransactionRetentionDuration")) {
    return "the table sets delta.setTransactionRetentionDuration: its progress would expire and "
           "everything be written again. Unset that property";
  }
  if (const auto feature = unknown_writer_feature(shape)) {
    return "the table needs the writer feature " + *feature + ", which bronze does not support";
  }
  const auto mapping = shape.configuration.find("delta.columnMapping.mode");
  if (mapping != shape.configuration.end() && mapping->second != "none") {
    return "the table uses column mapping, which is not supported";
  }
  return std::nullopt;
}

/// What is wrong with the columns that a dead-letter table has, as far as it has them.
std::optional<std::string> fault_of_dead_letters(const nlohmann::json& have,
                                                 const nlohmann::json& want) {
  for (std::size_t i = 0; i < have.size(); ++i) {
    if (i >= want.size()) {
      return "it has the additional column " + have[i]["name"].get<std::string>();
    }
    const auto& type = want[i]["type"];
    if (have[i]["name"] != want[i]["name"] || plain_type(have[i]["type"]) != plain_type(type)) {
      return fmt::format("column {} should be {} {}", i + 1, want[i]["name"].get<std::string>(),
                         type.is_string() ? type.get<std::string>() : type.dump());
    }
    // A column that is never empty may be declared so, or not.
    const bool may_be_required = want[i]["nullable"] == false;
    if (may_be_required ? has_invariant(have[i]) : demand_of(have[i]).has_value()) {
      return "column " + have[i]["name"].get<std::string>() +
             " has a rule for its values, which is not supported";
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> refusal_of(const delta::TableShape& shape) {
  const auto reading = read_schema(shape.schema_json);
  if (const auto* difference = std::get_if<std::string>(&reading)) {
    return "the table's schema is not that of a bronze table: " + *difference;
  }
  if (shape.partition_columns != std::vector<std::string>{batch::k_partition_column}) {
    return std::string("the table must be partitioned by ") + batch::k_partition_column + " alone";
  }
  return refusal_beyond_schema(shape);
}

RawValue raw_value_of(const delta::TableShape& shape) {
  if (fields_of(shape.schema_json)->front()["type"] == k_binary) return RawValue::kBinary;
  const auto property = shape.configuration.find(std::string(k_raw_value_property));
  const bool is_base64 =
      property != shape.configuration.end() && property->second == name_of(RawValue::kBase64);
  return is_base64 ? RawValue::kBase64 : RawValue::kString;
}

std::optional<std::string> raw_value_refusal(const delta::TableShape& shape, RawValue wanted) {
  const RawValue found = raw_value_of(shape);
  if (found == wanted) return std::nullopt;
  const auto told = [](RawValue raw_value) {
    return fmt::format(
        "{} ({})", name_of(raw_value),
        raw_value == RawValue::kBase64
            ? fmt::format("a string column, table property {}=base64", k_raw_value_property)
            : fmt::format("a {} column", batch::type_of(raw_value)));
  };
  return fmt::format(
      "_raw_value of the table is {}, but RAW_VALUE asks for {}. To go on with this table set "
      "RAW_VALUE={}; for the other form begin a new one: move this table away and delete the "
      "group's offsets of the topic, or set another DELTA_BASE_PATH",
      told(found), told(wanted), name_of(found));
}

std::map<std::string, std::string> raw_value_properties(RawValue raw_value) {
  if (raw_value != RawValue::kBase64) return {};
  return {{std::string(k_raw_value_property), std::string(name_of(raw_value))}};
}

ExtraColumns extra_columns_of(const delta::TableShape& shape) {
  return std::get<ExtraColumns>(read_schema(shape.schema_json));
}

std::optional<std::string> refusal_of_dead_letters(const delta::TableShape& shape) {
  const auto have = fields_of(shape.schema_json);
  const auto want = *fields_of(batch::dead_letter_schema());
  auto fault = have ? fault_of_dead_letters(*have, want) : std::string("it cannot be read");
  if (!fault && have->size() < want.size()) {
    fault = "it lacks the column " + want[have->size()]["name"].get<std::string>();
  }
  if (fault) return "the table's schema is not that of a dead-letter table: " + *fault;
  if (!shape.partition_columns.empty()) return "the table must not be partitioned";
  return refusal_beyond_schema(shape);
}

std::optional<std::string> completed_dead_letter_schema(const delta::TableShape& shape) {
  auto have = fields_of(shape.schema_json);
  const auto want = *fields_of(batch::dead_letter_schema());
  if (!have || have->size() < batch::k_first_dead_letter_columns || have->size() >= want.size() ||
      fault_of_dead_letters(*have, want) || refusal_beyond_schema(shape)) {
    return std::nullopt;
  }
  for (std::size_t i = have->size(); i < want.size(); ++i) have->push_back(want[i]);
  return nlohmann::ordered_json{{"type", "struct"}, {"fields", *have}}.dump();
}

}  // namespace bronze::ingest
