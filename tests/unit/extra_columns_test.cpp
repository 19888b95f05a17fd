#include "base/extra_columns.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "batch/columns.h"
#include "batch/schema.h"
#include "config/config.h"
#include "decode/decoder.h"
#include "ingest/resolve.h"

namespace bronze {
namespace {

using namespace std::string_view_literals;

constexpr ExtraColumns k_all{.topic = true, .key = true, .headers = true, .timestamp_type = true};
constexpr ExtraColumns k_headers_only{
    .topic = false, .key = false, .headers = true, .timestamp_type = false};

// --- configuration ------------------------------------------------------------------------------

ExtraColumns configured(const std::string& value) {
  const auto loaded = config::load_config(
      [&](std::string_view name) -> std::optional<std::string> {
        return name == "EXTRA_COLUMNS" ? std::optional(value) : std::nullopt;
      },
      std::nullopt);
  const auto* config = std::get_if<config::Config>(&loaded);
  EXPECT_NE(config, nullptr) << value;
  return config == nullptr ? ExtraColumns{} : config->extra_columns;
}

TEST(ExtraColumnsConfig, NamesColumnsInAnyOrder) {
  EXPECT_EQ(configured(""), ExtraColumns{});
  EXPECT_EQ(configured("all"), k_all);
  EXPECT_EQ(names_of(configured("_kafka_headers")), "_kafka_headers");
  EXPECT_EQ(names_of(configured("_kafka_timestamp_type, _kafka_key,_kafka_topic")),
            "_kafka_topic,_kafka_key,_kafka_timestamp_type");
  EXPECT_EQ(names_of(configured("_kafka_headers,_kafka_timestamp_type,_kafka_topic,_kafka_key")),
            "_kafka_topic,_kafka_key,_kafka_headers,_kafka_timestamp_type");
}

TEST(ExtraColumns, WithoutOthers) {
  EXPECT_EQ(names_of(without(k_all, k_headers_only)),
            "_kafka_topic,_kafka_key,_kafka_timestamp_type");
  EXPECT_EQ(without(k_headers_only, k_all), ExtraColumns{});
  EXPECT_FALSE(without(k_headers_only, k_all).any());
}

// --- decoding -----------------------------------------------------------------------------------

/// Counts how often it is asked.
class GivenHeaders final : public HeaderReader {
 public:
  explicit GivenHeaders(std::vector<Header> headers) : headers_(std::move(headers)) {}
  [[nodiscard]] Headers read() override {
    ++times_read;
    if (unreadable) return HeadersUnreadable{"no way"};
    return std::span<const Header>(headers_);
  }

  int times_read = 0;
  bool unreadable = false;

 private:
  std::vector<Header> headers_;
};

Record record_with(HeaderReader& headers) {
  return {.topic = "trips",
          .partition = Partition{3},
          .offset = Offset{42},
          .timestamp_ms = 5,
          .value = "v",
          .key = "k\xFF"sv,
          .timestamp_type = TimestampType::kLogAppendTime,
          .headers = &headers};
}

std::string error_of(const Record& record, const ExtraColumns& columns) {
  const auto decoded = decode::decode_extras(record, columns);
  const auto* error = std::get_if<decode::RecordError>(&decoded);
  return error == nullptr ? "" : error->type + ": " + error->message;
}

batch::RowExtras extras_of(const Record& record, const ExtraColumns& columns) {
  EXPECT_EQ(error_of(record, columns), "");
  return std::get<batch::RowExtras>(decode::decode_extras(record, columns));
}

TEST(DecodeExtras, AllThatIsWanted) {
  GivenHeaders headers(std::vector<Header>{{"a", "1"}, {"", std::nullopt}, {"a", "\xFF"}});
  const auto extras = extras_of(record_with(headers), k_all);
  EXPECT_EQ(extras.topic, "trips");
  EXPECT_EQ(extras.key, "k\xFF"sv);
  EXPECT_EQ(extras.timestamp_type, TimestampType::kLogAppendTime);
  ASSERT_EQ(extras.headers.size(), 3U);
  EXPECT_EQ(extras.headers[1].value, std::nullopt);
  EXPECT_EQ(extras.headers[2].value, "\xFF");
  EXPECT_EQ(extras.payload_bytes(), 2U + 4U) << "key and headers";
}

TEST(DecodeExtras, NothingThatIsNotWanted) {
  GivenHeaders headers(std::vector<Header>{{"\xFF", "1"}});
  const auto extras = extras_of(record_with(headers), ExtraColumns{});
  EXPECT_EQ(extras.topic, "");
  EXPECT_EQ(extras.key, std::nullopt);
  EXPECT_EQ(extras.timestamp_type, std::nullopt);
  EXPECT_EQ(error_of(record_with(headers), without(k_all, k_headers_only)), "");
  EXPECT_EQ(headers.times_read, 0) << "headers are only taken apart for their column";
}

TEST(DecodeExtras, WhatTheRecordDoesNotHaveIsNull) {
  GivenHeaders headers({});
  Record record = record_with(headers);
  record.key.reset();
  for (auto* reader : {static_cast<HeaderReader*>(&headers), static_cast<HeaderReader*>(nullptr)}) {
    record.headers = reader;
    EXPECT_EQ(extras_of(record, k_all).key, std::nullopt);
    EXPECT_TRUE(extras_of(record, k_all).headers.empty());
  }
}

TEST(DecodeExtras, WithoutATimestampThereIsNoTypeOfIt) {
  GivenHeaders headers({});
  Record record = record_with(headers);
  for (const auto none : {std::optional<std::int64_t>(), std::optional(INT64_MAX)}) {
    record.timestamp_ms = none;
    EXPECT_EQ(extras_of(record, k_all).timestamp_type, std::nullopt);
  }
}

TEST(DecodeExtras, AHeaderKeyThatIsNotUtf8StopsTheRecord) {
  GivenHeaders headers(std::vector<Header>{{"good", "\xFF"}, {"ab\xC3\x28", "1"}});
  EXPECT_EQ(error_of(record_with(headers), k_headers_only),
            "ENCODING_ERROR: the key of header 2 is not valid UTF-8 at byte 2");
}

TEST(DecodeExtras, HeadersThatCannotBeReadStopTheRecord) {
  GivenHeaders headers({});
  headers.unreadable = true;
  EXPECT_EQ(error_of(record_with(headers), k_headers_only), "ENCODING_ERROR: no way");
}

// --- columns ------------------------------------------------------------------------------------

struct Sent {
  std::optional<std::string> key;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::optional<TimestampType> type;
};

const std::vector<Sent>& sent_rows() {
  static const std::vector<Sent> k_rows = {
      {"key", {{"a", "1"}, {"a", "2"}, {"b", std::nullopt}}, TimestampType::kCreateTime},
      {std::nullopt, {}, std::nullopt},
      {"", {{"", ""}}, TimestampType::kLogAppendTime},
      {std::string("\xFF\0", 2), {{"c", std::string("\0\xFE", 2)}}, TimestampType::kCreateTime},
  };
  return k_rows;
}

batch::Columns columns_of(const std::vector<Sent>& rows, const ExtraColumns& extra) {
  batch::Columns columns(extra);
  for (const Sent& sent : rows) {
    std::vector<Header> headers;
    for (const auto& [key, value] : sent.headers) {
      headers.push_back({key, value ? std::optional<std::string_view>(*value) : std::nullopt});
    }
    const batch::RowExtras extras{
        .topic = "trips", .key = sent.key, .headers = headers, .timestamp_type = sent.type};
    batch::Row row;
    row.extras = &extras;
    columns.append(row);
  }
  return columns;
}

bool valid(const ArrowArray& array, std::int64_t row) {
  const auto* bitmap = static_cast<const std::uint8_t*>(array.buffers[0]);
  return bitmap == nullptr || ((bitmap[row / 8] >> (row % 8)) & 1U) != 0;
}

/// A value of a utf8 or binary array.
std::optional<std::string> bytes_at(const ArrowArray& array, std::int64_t row) {
  if (!valid(array, row)) return std::nullopt;
  const auto* ends = static_cast<const std::int32_t*>(array.buffers[1]);
  return std::string(static_cast<const char*>(array.buffers[2]) + ends[row],
                     static_cast<std::size_t>(ends[row + 1] - ends[row]));
}

/// What a receiver sees, by the name of the column.
class Received {
 public:
  explicit Received(batch::Columns&& columns) {
    std::move(columns).export_to(&array_, &schema_);
    for (std::int64_t i = 0; i < array_.n_children; ++i) {
      places_[schema_.children[i]->name] = i;
      EXPECT_EQ(array_.children[i]->length, array_.length);
    }
    EXPECT_EQ(schema_.n_children, array_.n_children);
  }
  ~Received() {
    array_.release(&array_);
    schema_.release(&schema_);
  }
  Received(const Received&) = delete;
  Received& operator=(const Received&) = delete;

  [[nodiscard]] bool has(const std::string& name) const { return places_.contains(name); }
  [[nodiscard]] const ArrowArray& array(const std::string& name) const {
    return *array_.children[places_.at(name)];
  }
  [[nodiscard]] const ArrowSchema& schema(const std::string& name) const {
    return *schema_.children[places_.at(name)];
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < schema_.n_children; ++i) {
      names.emplace_back(schema_.children[i]->name);
    }
    return names;
  }

 private:
  ArrowArray array_{};
  ArrowSchema schema_{};
  std::map<std::string, std::int64_t> places_;
};

TEST(ExtraColumnsExport, KeysTopicsAndTypes) {
  const Received received(columns_of(sent_rows(), k_all));
  const auto& rows = sent_rows();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    EXPECT_EQ(bytes_at(received.array("_kafka_topic"), row), "trips");
    EXPECT_EQ(bytes_at(received.array("_kafka_key"), row), rows[i].key);
  }
  const ArrowArray& types = received.array("_kafka_timestamp_type");
  EXPECT_EQ(bytes_at(types, 0), "create_time");
  EXPECT_EQ(bytes_at(types, 1), std::nullopt);
  EXPECT_EQ(bytes_at(types, 2), "log_append_time");
  EXPECT_EQ(types.null_count, 1);
  EXPECT_EQ(received.array("_kafka_key").null_count, 1);
  EXPECT_STREQ(received.schema("_kafka_topic").format, "u");
  EXPECT_STREQ(received.schema("_kafka_key").format, "z");
  EXPECT_STREQ(received.schema("_kafka_timestamp_type").format, "u");
}

TEST(ExtraColumnsExport, HeadersKeepTheirOrderAndTheirNulls) {
  const Received received(columns_of(sent_rows(), k_headers_only));
  const ArrowArray& list = received.array("_kafka_headers");
  ASSERT_EQ(list.n_children, 1);
  const ArrowArray& element = *list.children[0];
  ASSERT_EQ(element.n_children, 2);
  const auto* ends = static_cast<const std::int32_t*>(list.buffers[1]);
  EXPECT_EQ(element.length, 5);
  EXPECT_EQ(list.null_count, 1);
  EXPECT_EQ(list.n_buffers, 2);
  EXPECT_EQ(element.null_count, 0);
  EXPECT_EQ(element.n_buffers, 1);
  EXPECT_EQ(element.buffers[0], nullptr);
  const auto& rows = sent_rows();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(valid(list, static_cast<std::int64_t>(i)), !rows[i].headers.empty());
    ASSERT_EQ(ends[i + 1] - ends[i], static_cast<std::int32_t>(rows[i].headers.size()));
    for (std::size_t h = 0; h < rows[i].headers.size(); ++h) {
      const auto place = ends[i] + static_cast<std::int64_t>(h);
      EXPECT_EQ(bytes_at(*element.children[0], place), rows[i].headers[h].first);
      EXPECT_EQ(bytes_at(*element.children[1], place), rows[i].headers[h].second);
    }
  }
}

TEST(ExtraColumnsExport, SchemaOfHeadersIsThatOfTheTable) {
  const Received received{batch::Columns(k_all)};
  const ArrowSchema& list = received.schema("_kafka_headers");
  EXPECT_STREQ(list.format, "+l");
  EXPECT_EQ(list.flags, ARROW_FLAG_NULLABLE);
  const ArrowSchema& element = *list.children[0];
  EXPECT_STREQ(element.name, "element");
  EXPECT_STREQ(element.format, "+s");
  EXPECT_EQ(element.flags, ARROW_FLAG_NULLABLE);
  EXPECT_STREQ(element.children[0]->name, "key");
  EXPECT_STREQ(element.children[0]->format, "u");
  EXPECT_STREQ(element.children[1]->name, "value");
  EXPECT_STREQ(element.children[1]->format, "z");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(element.children[i]->flags, ARROW_FLAG_NULLABLE);
  EXPECT_EQ(received.array("_kafka_headers").length, 0);
}

TEST(ExtraColumnsExport, EverySubsetIsInTheOrderOfTheTablesSchema) {
  for (unsigned subset = 0; subset < 16; ++subset) {
    SCOPED_TRACE(subset);
    ExtraColumns extra;
    std::vector<std::string> expected = {"_raw_value", "_kafka_partition", "_kafka_offset",
                                         "_kafka_timestamp", "_ingested_at"};
    for (std::size_t i = 0; i < k_extra_columns.size(); ++i) {
      if ((subset >> i & 1U) == 0) continue;
      extra.*k_extra_columns[i].member = true;
      expected.emplace_back(k_extra_columns[i].name);
    }
    const Received received(columns_of(sent_rows(), extra));
    EXPECT_EQ(received.names(), expected);
  }
}

TEST(ExtraColumnsExport, AMovedColumnReleasesWhatIsBelowIt) {
  ArrowArray array{};
  ArrowSchema schema{};
  columns_of(sent_rows(), k_headers_only).export_to(&array, &schema);
  ArrowArray* list = array.children[5];
  ArrowArray moved = *list;
  list->release = nullptr;
  moved.release(&moved);
  EXPECT_EQ(moved.release, nullptr);
  EXPECT_EQ(moved.children[0]->release, nullptr);
  EXPECT_EQ(moved.children[0]->children[1]->release, nullptr);
  ArrowSchema* list_schema = schema.children[5];
  list_schema->release(list_schema);
  EXPECT_EQ(list_schema->children[0]->children[0]->release, nullptr);
  array.release(&array);
  schema.release(&schema);
}

TEST(ExtraColumnsMemory, CountsKeysAndHeaders) {
  batch::Columns columns(k_all);
  const std::size_t empty = columns.bytes();
  const std::string large(100'000, 'x');
  const std::vector<Header> headers = {{large, large}};
  const batch::RowExtras extras{
      .topic = large, .key = large, .headers = headers, .timestamp_type = std::nullopt};
  batch::Row row;
  row.extras = &extras;
  EXPECT_EQ(row.payload_bytes(), 300'000U) << "the topic's name is not the sender's";
  columns.append(row);
  EXPECT_GE(columns.bytes(), empty + 400'000);
}

TEST(ExtraColumnsMemory, EveryColumnEndsAtTheLastByteThatA32BitOffsetCanName) {
  // Nothing reads the bytes that these views claim.
  const char byte = 'x';
  const std::string_view fits(&byte, 0x7FFFFFFF);
  const std::string_view too_large(&byte, 0x80000000);
  const batch::Columns columns(k_all);
  const auto room_for = [&](const batch::RowExtras& extras) {
    batch::Row row;
    row.extras = &extras;
    return columns.has_room_for(row);
  };
  for (const auto& [text, has_room] : {std::pair{fits, true}, std::pair{too_large, false}}) {
    const std::vector<Header> by_key = {{text, std::nullopt}};
    const std::vector<Header> by_value = {{"", text}};
    batch::RowExtras extras;
    extras.key = text;
    EXPECT_EQ(room_for(extras), has_room);
    extras.key.reset();
    extras.headers = by_key;
    EXPECT_EQ(room_for(extras), has_room);
    extras.headers = by_value;
    EXPECT_EQ(room_for(extras), has_room);
  }
}

// --- the table's schema -------------------------------------------------------------------------

constexpr std::string_view k_headers_type =
    R"({"type":"array","elementType":{"type":"struct","fields":[)"
    R"({"name":"key","type":"string","nullable":true,"metadata":{}},)"
    R"({"name":"value","type":"binary","nullable":true,"metadata":{}}]},"containsNull":true})";

std::string field(std::string_view name, std::string_view type, std::string_view nullable = "true",
                  std::string_view metadata = "{}") {
  return R"(,{"name":")" + std::string(name) + R"(","type":)" + std::string(type) +
         R"(,"nullable":)" + std::string(nullable) + R"(,"metadata":)" + std::string(metadata) +
         "}";
}

delta::TableShape table_with(const std::string& fields) {
  delta::TableShape shape;
  shape.schema_json = batch::table_schema();
  shape.schema_json.insert(shape.schema_json.size() - 2, fields);
  shape.partition_columns = {batch::k_partition_column};
  return shape;
}

TEST(TableSchemaWithExtras, IsSparksByteForByte) {
  EXPECT_EQ(batch::table_schema(k_all),
            table_with(field("_kafka_topic", R"("string")") + field("_kafka_key", R"("binary")") +
                       field("_kafka_headers", k_headers_type) +
                       field("_kafka_timestamp_type", R"("string")"))
                .schema_json);
}

TEST(ExtraColumnsOfATable, EverySubsetIsRecognised) {
  for (unsigned subset = 0; subset < 16; ++subset) {
    ExtraColumns extra;
    for (std::size_t i = 0; i < k_extra_columns.size(); ++i) {
      extra.*k_extra_columns[i].member = (subset >> i & 1U) != 0;
    }
    delta::TableShape shape = table_with("");
    shape.schema_json = batch::table_schema(extra);
    ASSERT_EQ(ingest::refusal_of(shape), std::nullopt) << subset;
    EXPECT_EQ(ingest::extra_columns_of(shape), extra) << subset;
  }
}

TEST(ExtraColumnsOfATable, CommentsDoNotMatter) {
  std::string headers(k_headers_type);
  headers.replace(headers.find("{}"), 2, R"({"comment":"x"})");
  const auto shape = table_with(field("_kafka_key", R"("binary")", "true", R"({"comment":"x"})") +
                                field("_kafka_headers", headers));
  ASSERT_EQ(ingest::refusal_of(shape), std::nullopt);
  EXPECT_EQ(names_of(ingest::extra_columns_of(shape)), "_kafka_key,_kafka_headers");
}

TEST(ExtraColumnsOfATable, WhatIsNotOursIsRefused) {
  const std::string key = field("_kafka_key", R"("binary")");
  const auto replaced = [](std::string text, std::string_view old, std::string_view with) {
    return text.replace(text.find(old), old.size(), with);
  };
  const std::string type(k_headers_type);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {key + field("region", R"("string")"), "additional column region"},
      {field("region", R"("string")") + key, "additional column region"},
      {key + key, "column 8 is _kafka_key, but after the six columns the order is _kafka_topic,"},
      {key + field("_kafka_topic", R"("string")"), "column 8 is _kafka_topic, but after the six"},
      {field("_kafka_key", R"("string")"), "column 7 should be _kafka_key binary"},
      {field("_kafka_topic", R"("binary")"), "column 7 should be _kafka_topic string"},
      {field("_kafka_key", R"("binary")", "false"), "column _kafka_key must be nullable"},
      {field("_kafka_headers", R"("string")"), "column 7 should be _kafka_headers {"},
      {field("_kafka_headers", replaced(type, "array", "map")), "column 7 should be"},
      {field("_kafka_headers", replaced(type, R"("containsNull":true)", R"("containsNull":false)")),
       "column 7 should be"},
      {field("_kafka_headers", replaced(type, "binary", "string")), "column 7 should be"},
      {field("_kafka_headers", replaced(type, R"("key")", R"("name")")), "column 7 should be"},
      {field("_kafka_headers", R"({"type":"array","elementType":7})"), "column 7 should be"},
      {field("_kafka_headers", R"({"elementType":{"fields":[1]}})"), "column 7 should be"},
  };
  for (const auto& [fields, reason] : cases) {
    const auto refusal = ingest::refusal_of(table_with(fields)).value_or("");
    EXPECT_NE(refusal.find(reason), std::string::npos) << fields << "\n" << refusal;
  }
}

}  // namespace
}  // namespace bronze
