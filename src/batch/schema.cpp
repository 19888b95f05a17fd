#include "batch/schema.h"

#include <array>
#include <utility>

namespace bronze::batch {

const std::string& table_schema() {
  static const std::string schema = [] {
    using Field = std::pair<const char*, const char*>;
    constexpr std::array k_fields{
        Field{"_raw_value", "string"},      Field{"_kafka_partition", "integer"},
        Field{"_kafka_offset", "long"},     Field{"_kafka_timestamp", "timestamp"},
        Field{"_ingested_at", "timestamp"}, Field{k_partition_column, "string"},
    };
    std::string text = R"({"type":"struct","fields":[)";
    for (const auto& [name, type] : k_fields) {
      if (text.back() != '[') text += ',';
      text += std::string(R"({"name":")") + name + R"(","type":")" + type +
              R"(","nullable":true,"metadata":{}})";
    }
    return text + "]}";
  }();
  return schema;
}

}  // namespace bronze::batch
