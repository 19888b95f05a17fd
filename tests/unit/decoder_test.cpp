#include "decode/decoder.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace bronze::decode {
namespace {

using namespace std::string_view_literals;

Record record_of(std::optional<std::string_view> value) {
  return {.topic = "trips",
          .partition = Partition{3},
          .offset = Offset{42},
          .timestamp_ms = 1'700'000'000'123,
          .value = value};
}

/// Where the value is said to be malformed; nullopt = it is accepted.
std::optional<std::size_t> malformed_at(std::string_view value) {
  const auto decoded = decode(record_of(value), 0);
  const auto* error = std::get_if<RecordError>(&decoded);
  if (error == nullptr) return std::nullopt;
  EXPECT_EQ(error->type, "ENCODING_ERROR");
  const std::string_view said = "the value is not valid UTF-8 at byte ";
  EXPECT_TRUE(error->message.starts_with(said)) << error->message;
  return std::stoul(error->message.substr(said.size()));
}

TEST(Decoder, PassesValidUtf8OnUnaltered) {
  const std::vector<std::string_view> values = {
      ""sv,
      "{}"sv,
      "not JSON"sv,
      "nul \0 byte\0"sv,
      "\xEF\xBB\xBF{\"bom\":1}"sv,
      "\x7F"sv,
      "\xC2\x80"sv,
      "\xDF\xBF"sv,
      "\xE0\xA0\x80"sv,
      "\xED\x9F\xBF"sv,
      "\xEE\x80\x80"sv,
      "\xEF\xBF\xBD"sv,
      "\xEF\xBF\xBF"sv,
      "\xF0\x90\x80\x80"sv,
      "\xF0\x9F\x9A\x95 taxi"sv,
      "\xF4\x8F\xBF\xBF"sv,
      "line\nbreak\r\ttab"sv,
  };
  for (const std::string_view value : values) {
    const auto decoded = decode(record_of(value), 0);
    const auto* row = std::get_if<batch::Row>(&decoded);
    ASSERT_NE(row, nullptr) << testing::PrintToString(value);
    ASSERT_TRUE(row->raw_value.has_value());
    EXPECT_EQ(*row->raw_value, value);
    EXPECT_EQ(row->raw_value->data(), value.data()) << "a view, not a copy";
  }
}

struct Malformed {
  std::string name;
  std::string_view bytes;
};

const std::vector<Malformed>& malformed_sequences() {
  static const std::vector<Malformed> k_sequences = {
      {"continuation byte alone", "\x80"sv},
      {"last continuation byte alone", "\xBF"sv},
      {"overlong of two", "\xC0\x80"sv},
      {"overlong of two, last", "\xC1\xBF"sv},
      {"overlong of three", "\xE0\x80\x80"sv},
      {"overlong of three, last", "\xE0\x9F\xBF"sv},
      {"overlong of four", "\xF0\x80\x80\x80"sv},
      {"overlong of four, last", "\xF0\x8F\xBF\xBF"sv},
      {"first surrogate", "\xED\xA0\x80"sv},
      {"last surrogate", "\xED\xBF\xBF"sv},
      {"surrogate pair (CESU-8)", "\xED\xA0\xBD\xED\xBA\x95"sv},
      {"beyond U+10FFFF", "\xF4\x90\x80\x80"sv},
      {"lead byte F5", "\xF5\x80\x80\x80"sv},
      {"five bytes", "\xF8\x88\x80\x80\x80"sv},
      {"six bytes", "\xFC\x84\x80\x80\x80\x80"sv},
      {"byte FE", "\xFE"sv},
      {"byte FF", "\xFF"sv},
      {"truncated two", "\xC3"sv},
      {"truncated three", "\xE2\x82"sv},
      {"truncated four", "\xF0\x9F\x9A"sv},
      {"two, then ASCII", "\xC3("sv},
      {"three, then ASCII in the middle", "\xE2(\xA1"sv},
      {"three, then ASCII at the end", "\xE2\x82("sv},
      {"four, then ASCII at the end", "\xF0\x9F\x9A("sv},
      {"UTF-16 byte order mark", "\xFF\xFE{\0"sv},
      {"Latin-1",
       "\xFC"
       "ber"sv},
  };
  return k_sequences;
}

TEST(Decoder, RefusesMalformedUtf8AndNamesTheFirstByteOfTheSequence) {
  for (const auto& [name, bytes] : malformed_sequences()) {
    for (const std::string& before : {std::string(), std::string("a"), std::string("\xC3\xA9"),
                                      std::string("\0", 1), std::string(200, 'x')}) {
      const std::string value = before + std::string(bytes);
      EXPECT_EQ(malformed_at(value), before.size()) << name << " after " << before.size();
      EXPECT_EQ(malformed_at(value + "tail \xF0\x9F\x9A\x95"), before.size()) << name;
      EXPECT_EQ(malformed_at(value + "\xFF"), before.size()) << name << ", not the second fault";
    }
  }
}

/// Nothing before `position` is malformed, and no character begins there.
void expect_first_fault(std::string_view text, std::size_t position) {
  ASSERT_LT(position, text.size());
  EXPECT_TRUE(simdjson::validate_utf8(text.data(), position));
  const std::size_t rest = std::min<std::size_t>(4, text.size() - position);
  for (std::size_t length = 1; length <= rest; ++length) {
    EXPECT_FALSE(simdjson::validate_utf8(text.data() + position, length)) << length;
  }
}

TEST(Decoder, NamedPositionAgreesWithSimdjsonOnRandomBytes) {
  std::mt19937 random(20260301);
  const std::vector<std::string> pieces = {
      "a",    "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x9A\x95", "\xED\x9F\xBF", "\xC3",
      "\x80", "\xE2\x82", "\xF4\x8F",     "\xF4\x90",         "\xED\xA0\x80", "\xE0\x9F\xBF",
      "\xFF", "\xF0\x8F"};
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    const std::size_t size = random() % 80;
    while (text.size() < size) {
      // Mostly characters, so that faults come late too.
      const auto kind = random() % 16;
      text += kind < 14   ? pieces[random() % 5]
              : kind < 15 ? pieces[random() % pieces.size()]
                          : std::string(1, static_cast<char>(random()));
    }
    const auto position = malformed_at(text);
    ASSERT_EQ(position.has_value(), !simdjson::validate_utf8(text));
    if (!position) continue;
    ++refused;
    expect_first_fault(text, *position);
    ASSERT_FALSE(HasFailure()) << testing::PrintToString(text) << " at " << *position;
  }
  EXPECT_GT(refused, 1'000);
  EXPECT_LT(refused, 19'000);
}

TEST(Decoder, EveryPairOfBytesIsJudgedAsSimdjsonDoes) {
  for (unsigned pair = 0; pair < 0x10000; ++pair) {
    const std::string text = {static_cast<char>(pair >> 8U), static_cast<char>(pair & 0xFFU)};
    const auto position = malformed_at(text);
    ASSERT_EQ(position.has_value(), !simdjson::validate_utf8(text)) << pair;
    if (position) expect_first_fault(text, *position);
    ASSERT_FALSE(HasFailure()) << pair;
  }
}

TEST(Decoder, ATombstoneIsARowWithoutValue) {
  const auto decoded = decode(record_of(std::nullopt), 5);
  const auto* row = std::get_if<batch::Row>(&decoded);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->raw_value, std::nullopt);
  EXPECT_EQ(row->offset, Offset{42});
}

TEST(Decoder, CopiesWhereTheRecordComesFromAndWhenItCame) {
  const auto row = std::get<batch::Row>(decode(record_of("v"), 1'772'409'540'000'001));
  EXPECT_EQ(row.partition, Partition{3});
  EXPECT_EQ(row.offset, Offset{42});
  EXPECT_EQ(row.ingested_at, 1'772'409'540'000'001);
}

TEST(Decoder, TimestampsAreMicroseconds) {
  constexpr std::int64_t k_max = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t k_min = std::numeric_limits<std::int64_t>::min();
  struct TimeCase {
    std::optional<std::int64_t> ms;
    std::optional<UnixMicros> micros;
  };
  const std::vector<TimeCase> cases = {
      {1'700'000'000'123, 1'700'000'000'123'000},
      {0, 0},
      {-1, -1'000},
      {std::nullopt, std::nullopt},
      {k_max / 1000, k_max / 1000 * 1000},
      {k_max / 1000 + 1, std::nullopt},
      {-(k_max / 1000), -(k_max / 1000 * 1000)},
      {-(k_max / 1000) - 1, std::nullopt},
      {k_max, std::nullopt},
      {k_min, std::nullopt},
  };
  for (const auto& [ms, micros] : cases) {
    auto record = record_of("v");
    record.timestamp_ms = ms;
    EXPECT_EQ(std::get<batch::Row>(decode(record, 0)).kafka_timestamp, micros)
        << testing::PrintToString(ms);
  }
}

}  // namespace
}  // namespace bronze::decode
