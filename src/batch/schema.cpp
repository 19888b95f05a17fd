#include "batch/schema.h"

#include <array>
#include <string_view>
#include <utility>

namespace bronze::batch {
namespace {

std::string field(std::string_view name, const std::string& type) {
  return R"({"name":")" + std::string(name) + R"(","type":)" + type +
         R"(,"nullable":true,"metadata":{}})";
}

}  // namespace

std::string type_of(const ExtraColumn& column) {
  if (column.member == &ExtraColumns::key) return R"("binary")";
  if (column.member != &ExtraColumns::headers) return R"("string")";
  return R"({"type":"array","elementType":{"type":"struct","fields":[)" +
         field("key", R"("string")") + ',' + field("value", R"("binary")") +
         R"(]},"containsNull":true})";
}

std::string table_schema(const ExtraColumns& extra) {
  using Field = std::pair<const char*, const char*>;
  constexpr std::array k_fields{
      Field{"_raw_value", R"("string")"},      Field{"_kafka_partition", R"("integer")"},
      Field{"_kafka_offset", R"("long")"},     Field{"_kafka_timestamp", R"("timestamp")"},
      Field{"_ingested_at", R"("timestamp")"}, Field{k_partition_column, R"("string")"},
  };
  std::string text = R"({"type":"struct","fields":[)";
  for (const auto& [name, type] : k_fields) {
    if (text.back() != '[') text += ',';
    text += field(name, type);
  }
  for (const auto& column : k_extra_columns) {
    if (extra.*column.member) text += ',' + field(column.name, type_of(column));
  }
  return text + "]}";
}

}  // namespace bronze::batch
