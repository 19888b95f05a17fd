#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "decode/dead_letter_maker.h"
#include "decode/decoder.h"

namespace bronze::decode {
namespace {

using namespace std::string_view_literals;

constexpr ExtraColumns k_no_columns{};
constexpr ExtraColumns k_headers{
    .topic = false, .key = false, .headers = true, .timestamp_type = false};

/// Says what it is told to, and counts.
class ScriptedValidator final : public Validator {
 public:
  explicit ScriptedValidator(Verdict verdict) : verdict_(std::move(verdict)) {}
  Verdict check(std::string_view /*value*/) override {
    ++checks;
    return verdict_;
  }
  std::vector<FetchOutcome> fetch(std::span<const std::int32_t> /*ids*/) override { return {}; }

  static inline int checks = 0;

 private:
  const Verdict verdict_;
};

class GivenHeaders final : public HeaderReader {
 public:
  explicit GivenHeaders(Headers headers) : headers_(std::move(headers)) {}
  Headers read() override { return headers_; }

 private:
  const Headers headers_;
};

Record record_of(std::optional<std::string_view> value, HeaderReader* headers = nullptr) {
  return {.topic = "trips",
          .partition = Partition{3},
          .offset = Offset{42},
          .timestamp_ms = 1'700'000'000'123,
          .value = value,
          .key = "key\xFF"sv,
          .headers = headers};
}

/// The type of the error; `row` = accepted; `schema N` = that one is needed.
std::string said(const Decoded& decoded) {
  if (const auto* error = std::get_if<RecordError>(&decoded)) return error->type;
  if (const auto* needed = std::get_if<NeedsSchema>(&decoded)) {
    return "schema " + std::to_string(needed->id);
  }
  return "row";
}

Decoder decoder_of(const DecoderSettings& settings, std::optional<Verdict> verdict = {}) {
  ScriptedValidator::checks = 0;
  return Decoder(settings, verdict ? std::make_unique<ScriptedValidator>(*verdict) : nullptr);
}

std::string judge(Decoder& decoder, std::optional<std::string_view> value) {
  return said(decoder.decode(record_of(value), 0, k_no_columns));
}

constexpr DecoderSettings k_utf8{};
constexpr DecoderSettings k_json{.raw_value = RawValue::kString, .form = TextForm::kJson};
constexpr DecoderSettings k_binary{.raw_value = RawValue::kBinary, .form = TextForm::kAny};

TEST(DecoderTiers, EncodingIsTheFirst) {
  auto decoder = decoder_of(k_utf8);
  EXPECT_EQ(judge(decoder, "no JSON"), "row");
  EXPECT_EQ(judge(decoder, ""), "row");
  EXPECT_EQ(judge(decoder, "\xFF"), "ENCODING_ERROR");
}

TEST(DecoderTiers, ThenTheForm) {
  auto decoder = decoder_of(k_json);
  EXPECT_EQ(judge(decoder, "{}"), "row");
  EXPECT_EQ(judge(decoder, "no JSON"), "JSON_PARSE_ERROR");
  EXPECT_EQ(judge(decoder, ""), "JSON_PARSE_ERROR");
  EXPECT_EQ(judge(decoder, "{\xFF"), "ENCODING_ERROR");
}

TEST(DecoderTiers, ThenTheSchemaOfWhatPassedTheOthers) {
  auto decoder = decoder_of(k_json, RecordError{k_schema_validation_error, "why"});
  EXPECT_EQ(judge(decoder, "no JSON"), "JSON_PARSE_ERROR");
  EXPECT_EQ(judge(decoder, "\xFF"), "ENCODING_ERROR");
  EXPECT_EQ(ScriptedValidator::checks, 0);
  EXPECT_EQ(judge(decoder, "{}"), "SCHEMA_VALIDATION_ERROR");
  EXPECT_EQ(ScriptedValidator::checks, 1);
}

TEST(DecoderTiers, ASchemaMayBeMissing) {
  auto decoder = decoder_of(k_json, NeedsSchema{7});
  EXPECT_EQ(judge(decoder, "{}"), "schema 7");
  EXPECT_NE(decoder.validator(), nullptr);
}

TEST(DecoderTiers, WhatAColumnOfBytesHoldsIsForTheValidatorAlone) {
  auto decoder = decoder_of(k_binary, Accepted{});
  EXPECT_EQ(judge(decoder, "\xFF\0"sv), "row");
  EXPECT_EQ(ScriptedValidator::checks, 1);
}

TEST(DecoderTiers, AColumnOfTextNeedsTextWhateverTheValidatorSays) {
  auto decoder = decoder_of(k_utf8, Accepted{});
  EXPECT_EQ(judge(decoder, "\xFF\0"sv), "ENCODING_ERROR");
  EXPECT_EQ(ScriptedValidator::checks, 0);
}

TEST(DecoderTiers, JsonIsTextInAnyColumn) {
  auto decoder = decoder_of({.raw_value = RawValue::kBase64, .form = TextForm::kJson});
  EXPECT_EQ(judge(decoder, "\"\xFF\""), "ENCODING_ERROR");
  EXPECT_EQ(judge(decoder, "{}"), "row");
  EXPECT_EQ(said(decoder.decode_unchecked(record_of("\xFF"), 0, k_no_columns)), "row");
}

TEST(DecoderTiers, ATombstonePassesAll) {
  auto decoder = decoder_of(k_json, RecordError{k_schema_validation_error, "why"});
  EXPECT_EQ(judge(decoder, std::nullopt), "row");
  EXPECT_EQ(ScriptedValidator::checks, 0);
}

TEST(DecoderTiers, WhatIsDecidedIsNotCheckedAgain) {
  auto decoder = decoder_of(k_json, RecordError{k_schema_validation_error, "why"});
  EXPECT_EQ(said(decoder.decode_unchecked(record_of("no JSON"), 0, k_no_columns)), "row");
  EXPECT_EQ(said(decoder.decode_unchecked(record_of("\xFF"), 0, k_no_columns)), "ENCODING_ERROR")
      << "a text column cannot hold it";
}

TEST(DecoderTiers, HeadersMatterWhereThereIsAColumnForThem) {
  auto decoder = decoder_of(k_utf8);
  const std::vector<Header> bad = {{"fine", "v"}, {"\xFF", "v"}};
  GivenHeaders headers{std::span<const Header>(bad)};
  EXPECT_EQ(said(decoder.decode(record_of("v", &headers), 0, k_no_columns)), "row");
  EXPECT_EQ(said(decoder.decode(record_of("v", &headers), 0, k_headers)), "ENCODING_ERROR");
}

// --- dead letters -------------------------------------------------------------------------------

TEST(EventIds, AreTopLevelStrings) {
  const auto ids =
      ids_in(R"({"session_id":"s","o":{"correlation_id":"below"},"a":[{"causation_id":"below"}],)"
             R"("correlation_id":"c \u00e9"})");
  EXPECT_EQ(ids.session_id, "s");
  EXPECT_EQ(ids.correlation_id, "c \xC3\xA9");
  EXPECT_EQ(ids.causation_id, std::nullopt);
}

TEST(EventIds, WhatIsNoStringIsNone) {
  const auto ids = ids_in(R"({"session_id":7,"correlation_id":null,"causation_id":["x"]})");
  EXPECT_FALSE(ids.session_id || ids.correlation_id || ids.causation_id);
}

TEST(EventIds, TheLastOfANameCounts) {
  EXPECT_EQ(ids_in(R"({"session_id":"a","session_id":"b"})").session_id, "b");
  using std::string_literals::operator""s;
  EXPECT_EQ(ids_in("\0\0\0\0\7"s + R"({"session_id":"framed"})").session_id, "framed");
  EXPECT_EQ(ids_in(R"({"session_id":"a","session_id":1})").session_id, std::nullopt);
}

TEST(EventIds, DoNotDependOnWhatElseTheObjectHolds) {
  for (const std::string other :
       {"1e400", "-1e999", "123456789012345678901234567890", "[1e400,{\"session_id\":1e400}]",
        "\"\\\"\\u00e9\"", "{\"\":{}}", "[]"}) {
    const auto ids = ids_in(R"({"session_id":"s","a":)" + other +
                            R"(,"correlation_\u0069d" : "c" , "b":)" + other + "} ");
    EXPECT_EQ(ids.session_id, "s") << other;
    EXPECT_EQ(ids.correlation_id, "c") << other;
  }
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(ids_in(R"({"a":)" + deep + R"(,"session_id":"s"})").session_id, "s");
}

TEST(EventIds, NeedAnObjectThatCanBeRead) {
  for (const std::string value :
       {R"({"session_id":"a")", R"([{"session_id":"a"}])", R"("session_id")", "", "\xFF",
        "{\"session_id\":\"a\",\"x\":\"\xFF\"}", R"({"session_id":"a"} {})"}) {
    EXPECT_EQ(ids_in(value).session_id, std::nullopt) << value;
  }
  EXPECT_EQ(ids_in(R"({"session_id":"a","x":)" + std::string(100'000, '[')).session_id,
            std::nullopt);
}

TEST(DeadLetterMaker, KeepsEverythingOfTheRecord) {
  DeadLetterMaker maker;
  const std::vector<Header> given = {{"k", "v"}, {"\xFF", std::nullopt}, {"k", "\xFE"}};
  GivenHeaders headers{std::span<const Header>(given)};
  const std::string_view value = "{\"session_id\":\"s\"}";
  const RecordError error{k_schema_validation_error, "why"};
  const auto letter = maker.make(record_of(value, &headers), error, 77);
  EXPECT_EQ(letter.error_type, "SCHEMA_VALIDATION_ERROR");
  EXPECT_EQ(letter.error_message, "why");
  EXPECT_EQ(letter.original_payload, value);
  EXPECT_EQ(letter.original_bytes, value);
  EXPECT_EQ(letter.original_bytes->data(), value.data()) << "a view, not a copy";
  EXPECT_EQ(letter.kafka_topic, "trips");
  EXPECT_EQ(letter.partition, Partition{3});
  EXPECT_EQ(letter.offset, Offset{42});
  EXPECT_EQ(letter.ingested_at, 77);
  EXPECT_EQ(letter.session_id, "s");
  EXPECT_EQ(letter.correlation_id, std::nullopt);
  EXPECT_EQ(letter.key, "key\xFF");
  EXPECT_EQ(letter.kafka_timestamp, 1'700'000'000'123'000);
  ASSERT_EQ(letter.headers.size(), 3U);
  EXPECT_EQ(letter.headers[1].key, "\xEF\xBF\xBD");
  EXPECT_EQ(letter.headers[1].value, std::nullopt);
  EXPECT_EQ(letter.headers[2].value, "\xFE");
}

TEST(DeadLetterMaker, TextIsReadableAndBytesAreExact) {
  DeadLetterMaker maker;
  const std::string_view value =
      "a\xFF"
      "b";
  const RecordError error{k_encoding_error, "why"};
  const auto letter = maker.make(record_of(value), error, 0);
  EXPECT_EQ(letter.original_payload,
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(letter.original_bytes, value);
  GivenHeaders unreadable{HeadersUnreadable{"torn"}};
  const auto torn = maker.make(record_of(std::nullopt, &unreadable), error, 0);
  EXPECT_EQ(torn.original_payload, "");
  EXPECT_EQ(torn.original_bytes, std::nullopt);
  EXPECT_TRUE(torn.headers.empty());
}

}  // namespace
}  // namespace bronze::decode
