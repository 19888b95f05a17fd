#include "batch/columns.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bronze::batch {
namespace {

enum Column : std::size_t { kValue, kPartition, kOffset, kTimestamp, kIngestedAt, kWidth };

/// What a receiver of the Arrow C Data Interface sees. Releases both like one, unless that was
/// done.
class Received {
 public:
  explicit Received(Columns&& columns) { std::move(columns).export_to(&array, &schema); }
  ~Received() {
    if (array.release != nullptr) array.release(&array);
    if (schema.release != nullptr) schema.release(&schema);
  }
  Received(const Received&) = delete;
  Received& operator=(const Received&) = delete;

  [[nodiscard]] const ArrowArray& child(Column column) const { return *array.children[column]; }
  [[nodiscard]] bool valid(Column column, std::size_t row) const {
    const auto* bitmap = static_cast<const std::uint8_t*>(child(column).buffers[0]);
    return bitmap == nullptr || ((bitmap[row / 8] >> (row % 8)) & 1U) != 0;
  }
  template <typename T>
  [[nodiscard]] T at(Column column, std::size_t row) const {
    return static_cast<const T*>(child(column).buffers[1])[row];
  }
  [[nodiscard]] std::optional<std::string_view> value(std::size_t row) const {
    if (!valid(kValue, row)) return std::nullopt;
    const auto first = at<std::int32_t>(kValue, row);
    const auto end = at<std::int32_t>(kValue, row + 1);
    return std::string_view(static_cast<const char*>(child(kValue).buffers[2]) + first,
                            static_cast<std::size_t>(end - first));
  }

  ArrowArray array{};
  ArrowSchema schema{};
};

Row row_of(std::optional<std::string_view> value, std::int64_t offset = 0) {
  return {.raw_value = value,
          .partition = Partition{0},
          .offset = Offset{offset},
          .kafka_timestamp = offset,
          .ingested_at = 1};
}

/// Rows of which the values and the timestamps are absent in patterns of their own. `values`
/// outlive them.
std::vector<Row> mixed_rows(std::size_t count, const std::vector<std::string>& values) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < count; ++i) {
    Row row;
    if (i % 3 != 1) row.raw_value = values[i];
    row.partition = Partition{static_cast<std::int32_t>(i % 5)};
    row.offset = Offset{static_cast<std::int64_t>(i) * 1'000'000'007};
    if (i % 4 != 2) row.kafka_timestamp = -static_cast<std::int64_t>(i) * 1'000'000;
    row.ingested_at = 1'772'409'599'999'990 + static_cast<std::int64_t>(i);
    rows.push_back(row);
  }
  return rows;
}

std::vector<std::string> numbered_values(std::size_t count) {
  std::vector<std::string> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(std::string(i % 7, 'x') + "#");
  return values;
}

void expect_equal(const Row& left, const Row& right) {
  EXPECT_EQ(left.raw_value, right.raw_value);
  EXPECT_EQ(left.partition, right.partition);
  EXPECT_EQ(left.offset, right.offset);
  EXPECT_EQ(left.kafka_timestamp, right.kafka_timestamp);
  EXPECT_EQ(left.ingested_at, right.ingested_at);
}

TEST(Columns, GiveBackTheRowsThatWereAppended) {
  const auto values = numbered_values(100);
  Columns columns;
  EXPECT_TRUE(columns.empty());
  for (const Row& row : mixed_rows(100, values)) columns.append(row);
  EXPECT_FALSE(columns.empty());
  ASSERT_EQ(columns.rows(), 100U);
  const auto expected = mixed_rows(100, values);
  for (std::size_t i = 0; i < 100; ++i) {
    SCOPED_TRACE(i);
    expect_equal(columns.row(i), expected[i]);
  }
}

TEST(Columns, CopyTheValue) {
  std::string value = "before";
  Columns columns;
  columns.append(row_of(value));
  value = "after!";
  EXPECT_EQ(columns.row(0).raw_value, "before");
}

TEST(Columns, CountTheMemoryOfTheirValues) {
  Columns columns;
  const std::size_t empty = columns.bytes();
  columns.append(row_of(std::string(100'000, 'x')));
  EXPECT_GE(columns.bytes(), empty + 100'000 + 28);
}

TEST(Columns, CountTheMemoryOfRowsWithoutValue) {
  Columns columns;
  for (int i = 0; i < 1000; ++i) columns.append(row_of(std::nullopt));
  EXPECT_GE(columns.bytes(), 28'000U);
}

TEST(Columns, HaveRoomUpToTheLastByteThatA32BitOffsetCanName) {
  Columns columns;
  // Nothing reads the bytes that these views claim.
  const char byte = 'x';
  EXPECT_TRUE(columns.has_room_for(row_of(std::string_view(&byte, 0x7FFFFFFF))));
  EXPECT_FALSE(columns.has_room_for(row_of(std::string_view(&byte, 0x80000000))));
  columns.append(row_of("four"));
  EXPECT_TRUE(columns.has_room_for(row_of(std::string_view(&byte, 0x7FFFFFFF - 4))));
  EXPECT_FALSE(columns.has_room_for(row_of(std::string_view(&byte, 0x7FFFFFFF - 3))));
  EXPECT_TRUE(columns.has_room_for(row_of(std::nullopt)));
}

TEST(ColumnsExport, SchemaIsTheTablesWithoutThePartitionColumn) {
  const Received received{Columns()};
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"_raw_value", "u"},
      {"_kafka_partition", "i"},
      {"_kafka_offset", "l"},
      {"_kafka_timestamp", "tsu:UTC"},
      {"_ingested_at", "tsu:UTC"}};
  EXPECT_STREQ(received.schema.format, "+s");
  ASSERT_EQ(received.schema.n_children, static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const ArrowSchema& child = *received.schema.children[i];
    EXPECT_EQ(child.name, expected[i].first);
    EXPECT_EQ(child.format, expected[i].second);
    EXPECT_EQ(child.flags, ARROW_FLAG_NULLABLE);
    EXPECT_EQ(child.n_children, 0);
    EXPECT_EQ(child.dictionary, nullptr);
    EXPECT_EQ(child.metadata, nullptr);
  }
}

TEST(ColumnsExport, NoRows) {
  const Received received{Columns()};
  EXPECT_EQ(received.array.length, 0);
  ASSERT_EQ(received.array.n_children, static_cast<std::int64_t>(kWidth));
  for (std::size_t i = 0; i < kWidth; ++i) {
    EXPECT_EQ(received.array.children[i]->length, 0);
    EXPECT_EQ(received.array.children[i]->null_count, 0);
  }
  EXPECT_EQ(received.at<std::int32_t>(kValue, 0), 0) << "an empty string column has one offset";
}

TEST(ColumnsExport, LayoutOfTheParentAndItsChildren) {
  const auto values = numbered_values(3);
  Columns columns;
  for (const Row& row : mixed_rows(3, values)) columns.append(row);
  const Received received(std::move(columns));
  EXPECT_EQ(received.array.length, 3);
  EXPECT_EQ(received.array.null_count, 0);
  EXPECT_EQ(received.array.offset, 0);
  EXPECT_EQ(received.array.n_buffers, 1);
  EXPECT_EQ(received.array.buffers[0], nullptr) << "a struct without NULL rows";
  for (std::size_t i = 0; i < kWidth; ++i) {
    const ArrowArray& child = *received.array.children[i];
    EXPECT_EQ(child.length, 3);
    EXPECT_EQ(child.offset, 0);
    EXPECT_EQ(child.n_buffers, i == kValue ? 3 : 2);
    EXPECT_EQ(child.n_children, 0);
    EXPECT_EQ(child.dictionary, nullptr);
  }
}

TEST(ColumnsExport, ValuesAndNullsOfAnyNumberOfRows) {
  for (const std::size_t count : {1U, 7U, 8U, 9U, 16U, 17U, 64U, 1000U}) {
    SCOPED_TRACE(count);
    const auto values = numbered_values(count);
    const auto rows = mixed_rows(count, values);
    Columns columns;
    for (const Row& row : rows) columns.append(row);
    const Received received(std::move(columns));
    std::int64_t value_nulls = 0;
    std::int64_t timestamp_nulls = 0;
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(received.value(i), rows[i].raw_value);
      EXPECT_EQ(received.at<std::int32_t>(kPartition, i), number(rows[i].partition));
      EXPECT_EQ(received.at<std::int64_t>(kOffset, i), rows[i].offset.value);
      EXPECT_EQ(received.valid(kTimestamp, i), rows[i].kafka_timestamp.has_value());
      if (rows[i].kafka_timestamp) {
        EXPECT_EQ(received.at<std::int64_t>(kTimestamp, i), *rows[i].kafka_timestamp);
      }
      EXPECT_EQ(received.at<std::int64_t>(kIngestedAt, i), rows[i].ingested_at);
      value_nulls += rows[i].raw_value ? 0 : 1;
      timestamp_nulls += rows[i].kafka_timestamp ? 0 : 1;
    }
    EXPECT_EQ(received.child(kValue).null_count, value_nulls);
    EXPECT_EQ(received.child(kTimestamp).null_count, timestamp_nulls);
    for (const Column column : {kPartition, kOffset, kIngestedAt}) {
      EXPECT_EQ(received.child(column).null_count, 0);
      EXPECT_EQ(received.child(column).buffers[0], nullptr);
    }
  }
}

TEST(ColumnsExport, OffsetsNeverGoBack) {
  Columns columns;
  columns.append(row_of("ab"));
  columns.append(row_of(std::nullopt));
  columns.append(row_of(""));
  columns.append(row_of("c"));
  const Received received(std::move(columns));
  const std::vector<std::int32_t> expected = {0, 2, 2, 2, 3};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(received.at<std::int32_t>(kValue, i), expected[i]) << i;
  }
}

TEST(ColumnsExport, AnEmptyStringIsNotATombstone) {
  Columns columns;
  columns.append(row_of(""));
  columns.append(row_of(std::nullopt));
  EXPECT_EQ(columns.row(0).raw_value, "");
  EXPECT_EQ(columns.row(1).raw_value, std::nullopt);
  const Received received(std::move(columns));
  EXPECT_TRUE(received.valid(kValue, 0));
  EXPECT_FALSE(received.valid(kValue, 1));
  EXPECT_EQ(received.child(kValue).null_count, 1);
}

TEST(ColumnsExport, NulBytesAreBytes) {
  const std::string_view value("a\0b\0", 4);
  Columns columns;
  columns.append(row_of(value));
  columns.append(row_of("next"));
  EXPECT_EQ(columns.row(0).raw_value, value);
  const Received received(std::move(columns));
  EXPECT_EQ(received.value(0), value);
  EXPECT_EQ(received.value(1), "next");
}

TEST(ColumnsExport, LargeValues) {
  std::string large(5'000'000, 'x');
  for (std::size_t i = 0; i < large.size(); i += 997) large[i] = static_cast<char>('a' + i % 26);
  Columns columns;
  columns.append(row_of("before"));
  columns.append(row_of(large));
  columns.append(row_of("after"));
  const Received received(std::move(columns));
  EXPECT_EQ(received.value(0), "before");
  EXPECT_TRUE(received.value(1) == large);
  EXPECT_EQ(received.value(2), "after");
}

TEST(ColumnsExport, BuffersAreHandedOverWithoutACopy) {
  Columns columns;
  columns.append(row_of(std::string(1000, 'x')));
  const char* const bytes = columns.row(0).raw_value->data();
  const Received received(std::move(columns));
  EXPECT_EQ(received.child(kValue).buffers[2], bytes);
}

TEST(ColumnsRelease, MarksBothAsReleased) {
  Received received{Columns()};
  received.array.release(&received.array);
  EXPECT_EQ(received.array.release, nullptr);
  received.schema.release(&received.schema);
  EXPECT_EQ(received.schema.release, nullptr);
}

TEST(ColumnsRelease, SchemaAndRowsAreReleasedInAnyOrder) {
  Columns columns;
  columns.append(row_of("value"));
  Received received(std::move(columns));
  received.schema.release(&received.schema);
  EXPECT_EQ(received.value(0), "value");
}

TEST(ColumnsRelease, AStructThatWasMovedIsReleasedAtItsNewPlace) {
  Columns columns;
  columns.append(row_of("value"));
  Received received(std::move(columns));
  ArrowArray moved = received.array;
  received.array.release = nullptr;
  const auto* bytes = static_cast<const char*>(moved.children[kValue]->buffers[2]);
  EXPECT_EQ(std::memcmp(bytes, "value", 5), 0);
  moved.release(&moved);
  EXPECT_EQ(moved.release, nullptr);
}

TEST(ColumnsRelease, AChildThatWasMovedOutIsReleasedByItself) {
  Columns columns;
  columns.append(row_of("value"));
  Received received(std::move(columns));
  ArrowArray child = *received.array.children[kValue];
  received.array.children[kValue]->release = nullptr;
  ArrowSchema child_schema = *received.schema.children[kValue];
  received.schema.children[kValue]->release = nullptr;

  EXPECT_EQ(std::memcmp(child.buffers[2], "value", 5), 0);
  EXPECT_STREQ(child_schema.name, "_raw_value");
  child.release(&child);
  EXPECT_EQ(child.release, nullptr);
  child_schema.release(&child_schema);
  EXPECT_EQ(child_schema.release, nullptr);
  EXPECT_EQ(received.at<std::int64_t>(kIngestedAt, 0), 1) << "the siblings are untouched";
}

}  // namespace
}  // namespace bronze::batch
