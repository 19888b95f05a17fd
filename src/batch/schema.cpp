#include "batch/schema.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

namespace bronze::batch {
namespace {

std::string field(std::string_view name, std::string_view type,
                  std::string_view nullable = "true") {
  return fmt::format(R"({{"name":"{}","type":{},"nullable":{},"metadata":{{}}}})", name, type,
                     nullable);
}

std::string type_of_headers() {
  return R"({"type":"array","elementType":{"type":"struct","fields":[)" +
         field("key", R"("string")") + ',' + field("value", R"("binary")") +
         R"(]},"containsNull":true})";
}

}  // namespace

std::string type_of(const ExtraColumn& column) {
  if (column.member == &ExtraColumns::key) return R"("binary")";
  if (column.member != &ExtraColumns::headers) return R"("string")";
  return type_of_headers();
}

std::string_view type_of(RawValue raw_value) {
  return raw_value == RawValue::kBinary ? "binary" : "string";
}

std::string table_schema(const ExtraColumns& extra, RawValue raw_value) {
  using Field = std::pair<const char*, const char*>;
  constexpr std::array k_fields{
      Field{"_kafka_partition", R"("integer")"},   Field{"_kafka_offset", R"("long")"},
      Field{"_kafka_timestamp", R"("timestamp")"}, Field{"_ingested_at", R"("timestamp")"},
      Field{k_partition_column, R"("string")"},
  };
  std::string text = R"({"type":"struct","fields":[)";
  text += field("_raw_value", '"' + std::string(type_of(raw_value)) + '"');
  for (const auto& [name, type] : k_fields) text += ',' + field(name, type);
  for (const auto& column : k_extra_columns) {
    if (extra.*column.member) text += ',' + field(column.name, type_of(column));
  }
  return text + "]}";
}

std::string dead_letter_schema() {
  struct Field {
    const char* name;
    std::string type;
    const char* nullable = "true";
  };
  const std::array fields{
      Field{"error_message", R"("string")", "false"},
      Field{"error_type", R"("string")", "false"},
      Field{"original_payload", R"("string")", "false"},
      Field{"kafka_topic", R"("string")", "false"},
      Field{"_kafka_partition", R"("integer")"},
      Field{"_kafka_offset", R"("long")"},
      Field{"_ingested_at", R"("timestamp")"},
      Field{"session_id", R"("string")"},
      Field{"correlation_id", R"("string")"},
      Field{"causation_id", R"("string")"},
      Field{"_original_bytes", R"("binary")"},
      Field{"_kafka_key", R"("binary")"},
      Field{"_kafka_headers", type_of_headers()},
      Field{"_kafka_timestamp", R"("timestamp")"},
  };
  std::string text = R"({"type":"struct","fields":[)";
  for (const auto& [name, type, nullable] : fields) {
    if (text.back() != '[') text += ',';
    text += field(name, type, nullable);
  }
  return text + "]}";
}

}  // namespace bronze::batch
