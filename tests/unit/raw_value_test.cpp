#include "base/raw_value.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "batch/columns.h"
#include "batch/schema.h"
#include "decode/decoder.h"
#include "ingest/resolve.h"

namespace bronze {
namespace {

constexpr std::string_view k_bytes("\xff\x00\xfe", 3);

batch::Row row_with(std::optional<std::string_view> value) {
  return {.raw_value = value,
          .partition = Partition{0},
          .offset = Offset{1},
          .kafka_timestamp = {},
          .ingested_at = 0};
}

batch::Columns columns_with(RawValue raw_value, std::optional<std::string_view> value) {
  batch::Columns columns(TableColumns{.raw_value = raw_value});
  columns.append(row_with(value));
  return columns;
}

/// The format of the first column, and its bytes.
using Exported = std::pair<std::string, std::string>;

Exported exported(RawValue raw_value, std::string_view value) {
  ArrowArray array{};
  ArrowSchema schema{};
  columns_with(raw_value, value).export_to(&array, &schema);
  const ArrowArray& column = *array.children[0];
  const auto* ends = static_cast<const std::int32_t*>(column.buffers[1]);
  const auto* bytes = static_cast<const char*>(column.buffers[2]);
  Exported told{schema.children[0]->format, std::string(bytes, ends[1])};
  array.release(&array);
  schema.release(&schema);
  return told;
}

TEST(RawValueTest, BinaryIsStoredAsItCame) {
  EXPECT_EQ(exported(RawValue::kBinary, k_bytes), Exported("z", k_bytes));
  EXPECT_EQ(exported(RawValue::kString, "text"), Exported("u", "text"));
}

TEST(RawValueTest, Base64IsTheStandardOne) {
  // The examples of RFC 4648.
  for (const auto& [value, text] :
       {std::pair("", ""), std::pair("f", "Zg=="), std::pair("fo", "Zm8="),
        std::pair("foo", "Zm9v"), std::pair("foob", "Zm9vYg=="), std::pair("foobar", "Zm9vYmFy")}) {
    EXPECT_EQ(exported(RawValue::kBase64, value), Exported("u", text));
  }
  EXPECT_EQ(exported(RawValue::kBase64, std::string_view("\xfb\xff", 2)).second, "+/8=");
  EXPECT_EQ(exported(RawValue::kBase64, std::string(300, 'a')).second.size(), 400U);
}

TEST(RawValueTest, ValuesFollowOneAnother) {
  batch::Columns columns(TableColumns{.raw_value = RawValue::kBase64});
  for (const char* value : {"f", "", "foo"}) {
    columns.append(row_with(value));
  }
  EXPECT_EQ(columns.row(0).raw_value, "Zg==");
  EXPECT_EQ(columns.row(1).raw_value, "");
  EXPECT_EQ(columns.row(2).raw_value, "Zm9v");
}

TEST(RawValueTest, ATombstoneIsNull) {
  for (const RawValue raw_value : {RawValue::kString, RawValue::kBinary, RawValue::kBase64}) {
    EXPECT_EQ(columns_with(raw_value, std::nullopt).row(0).raw_value, std::nullopt);
  }
}

TEST(RawValueTest, OnlyTextHasToBeUtf8) {
  const Record record{.topic = "t",
                      .partition = Partition{0},
                      .offset = Offset{1},
                      .timestamp_ms = {},
                      .value = k_bytes};
  for (const RawValue raw_value : {RawValue::kString, RawValue::kBinary, RawValue::kBase64}) {
    decode::Decoder decoder({.raw_value = raw_value, .form = decode::TextForm::kAny});
    for (const auto& decoded :
         {decoder.decode(record, 0, {}), decoder.decode_unchecked(record, 0, {})}) {
      if (raw_value == RawValue::kString) {
        EXPECT_TRUE(std::holds_alternative<decode::RecordError>(decoded));
      } else {
        ASSERT_TRUE(std::holds_alternative<batch::Row>(decoded));
        EXPECT_EQ(std::get<batch::Row>(decoded).raw_value, k_bytes);
      }
    }
  }
}

delta::TableShape table_for(RawValue raw_value) {
  delta::TableShape shape;
  shape.id = "id";
  shape.schema_json = batch::table_schema({}, raw_value);
  shape.partition_columns = {batch::k_partition_column};
  shape.configuration = ingest::raw_value_properties(raw_value);
  shape.min_reader_version = 1;
  shape.min_writer_version = 2;
  return shape;
}

TEST(RawValueTest, ATableTellsWhatItHolds) {
  for (const RawValue raw_value : {RawValue::kString, RawValue::kBinary, RawValue::kBase64}) {
    const auto shape = table_for(raw_value);
    EXPECT_EQ(ingest::refusal_of(shape), std::nullopt);
    EXPECT_EQ(ingest::raw_value_of(shape), raw_value) << name_of(raw_value);
    EXPECT_EQ(ingest::raw_value_refusal(shape, raw_value), std::nullopt);
  }
  auto numbers = table_for(RawValue::kString);
  numbers.schema_json.replace(numbers.schema_json.find(R"("string")"), 8, R"("long")");
  EXPECT_EQ(
      ingest::refusal_of(numbers),
      "the table's schema is not that of a bronze table: column 1 should be _raw_value string "
      "or binary");
}

TEST(RawValueTest, AnotherFormIsRefusedWithTheRepair) {
  EXPECT_EQ(
      ingest::raw_value_refusal(table_for(RawValue::kString), RawValue::kBinary),
      "_raw_value of the table is string (a string column), but RAW_VALUE asks for binary (a "
      "binary "
      "column). To go on with this table set RAW_VALUE=string; for the other form begin a new one: "
      "move this table away and delete the group's offsets of the topic, or set another "
      "DELTA_BASE_PATH");
  const auto refusal = ingest::raw_value_refusal(table_for(RawValue::kBase64), RawValue::kString);
  ASSERT_TRUE(refusal);
  EXPECT_NE(refusal->find("base64 (a string column, table property bronze.rawValue=base64)"),
            std::string::npos)
      << *refusal;
  EXPECT_TRUE(ingest::raw_value_refusal(table_for(RawValue::kString), RawValue::kBase64));
}

TEST(RawValueTest, ATopicWithAnotherTableHalts) {
  ingest::StartFacts facts;
  facts.table.shape = table_for(RawValue::kBinary);
  const auto halted = ingest::resolve(facts, {});
  ASSERT_TRUE(std::holds_alternative<ingest::HaltTopic>(halted));
  EXPECT_NE(std::get<ingest::HaltTopic>(halted).reason.find("RAW_VALUE=binary"), std::string::npos);
}

}  // namespace
}  // namespace bronze
