#include "batch/schema.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "batch/columns.h"

namespace bronze::batch {
namespace {

/// The schemaString that another engine wrote for a table with our columns.
std::string fixture(const std::string& name) {
  std::ifstream file(std::string(BRONZE_SOURCE_DIR) + "/tests/fixtures/" + name);
  EXPECT_TRUE(file) << name;
  std::string text{std::istreambuf_iterator<char>(file), {}};
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

TEST(TableSchema, IsSparksByteForByte) { EXPECT_EQ(table_schema(), fixture("schema_spark.json")); }

TEST(TableSchema, IsThatOfDeltaRs) {
  EXPECT_EQ(nlohmann::ordered_json::parse(table_schema()),
            nlohmann::ordered_json::parse(fixture("schema_deltars.json")));
}

TEST(TableSchema, EndsWithThePartitionColumn) {
  const auto schema = nlohmann::json::parse(table_schema());
  EXPECT_EQ(schema["fields"].back()["name"], k_partition_column);
}

TEST(TableSchema, NamesTheColumnsThatAreExportedAndThenThePartitionColumn) {
  ArrowArray array;
  ArrowSchema schema;
  Columns().export_to(&array, &schema);
  const auto table = nlohmann::json::parse(table_schema());
  const auto& fields = table["fields"];
  ASSERT_EQ(fields.size(), static_cast<std::size_t>(schema.n_children) + 1);
  for (std::int64_t i = 0; i < schema.n_children; ++i) {
    EXPECT_EQ(fields[static_cast<std::size_t>(i)]["name"], schema.children[i]->name);
  }
  array.release(&array);
  schema.release(&schema);
}

}  // namespace
}  // namespace bronze::batch
