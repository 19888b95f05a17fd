// What the decoder says of any bytes, and what becomes of them as a dead letter.

#include <simdjson.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/utf8.h"
#include "decode/dead_letter_maker.h"
#include "decode/decoder.h"
#include "decode/encoding.h"
#include "decode/json_check.h"
#include "decode/json_grammar.h"

namespace bronze::decode {
namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::cerr << "does not hold: " << what << '\n';
  std::abort();
}

void check_encoding(std::string_view text) {
  const bool valid = simdjson::validate_utf8(text.data(), text.size());
  require(is_utf8(text) == valid, "is_utf8 agrees with simdjson");
  const std::size_t first = first_invalid_byte(text);
  require((first == text.size()) == valid, "a first invalid byte exists in invalid text only");
  require(is_utf8(text.substr(0, first)), "what is before the first invalid byte is valid");
  const std::string replaced = with_replacements(text);
  require(is_utf8(replaced), "text with replacements is valid");
  require(!valid || replaced == text, "valid text stays as it is");
}

/// nlohmann::json skips a byte order mark, and ends at a zero byte.
bool another_parser_takes(std::string_view text) {
  return !text.starts_with("\xEF\xBB\xBF") && text.find('\0') == std::string_view::npos &&
         nlohmann::json::accept(text);
}

void check_json(std::string_view text, JsonCheck& json) {
  const auto error = json.error_in(text);
  if (!is_utf8(text)) {
    require(error && error->type == k_encoding_error, "invalid UTF-8 is an encoding error");
    return;
  }
  const auto fault = first_json_fault(text);
  require(error.has_value() == fault.has_value(), "parser and grammar agree");
  if (!fault) return;
  require(error->type == k_json_parse_error, "text that is no JSON is a parse error");
  require(fault->position <= text.size(), "the fault is in the text, or at its end");
  require(is_utf8(error->message), "a message is text");
  require(!another_parser_takes(text) || fault->what.find("nested deeper") != std::string::npos,
          "what another parser takes is refused for its depth only");
}

bool is_text(const std::optional<std::string_view>& text) { return is_utf8(text.value_or("")); }

/// Key and headers are parts of the value: whatever the fuzzer finds there.
class TwoHeaders final : public HeaderReader {
 public:
  explicit TwoHeaders(std::string_view bytes)
      : headers_{Header{bytes.substr(0, bytes.size() / 2), bytes.substr(bytes.size() / 2)},
                 Header{bytes.substr(bytes.size() / 3), std::nullopt}} {}
  [[nodiscard]] Headers read() override { return std::span<const Header>(headers_); }

 private:
  std::array<Header, 2> headers_;
};

void check_dead_letter(std::string_view value, const RecordError& error, DeadLetterMaker& maker) {
  TwoHeaders headers(value);
  const Record record{.topic = "payments",
                      .partition = Partition{0},
                      .offset = Offset{7},
                      .timestamp_ms = static_cast<std::int64_t>(value.size()),
                      .value = value,
                      .key = value,
                      .headers = &headers};
  const auto letter = maker.make(record, error, 0);
  require(letter.original_bytes == value, "a dead letter has the exact bytes");
  require(letter.key == value, "a dead letter has the exact key");
  require(is_utf8(letter.original_payload), "the payload of a dead letter is text");
  require(is_utf8(letter.error_message) && is_text(letter.session_id) &&
              is_text(letter.correlation_id) && is_text(letter.causation_id),
          "message and ids of a dead letter are text");
  for (const Header& header : letter.headers) require(is_utf8(header.key), "header keys are text");
}

void check_record(std::string_view value, Decoder& decoder, DeadLetterMaker& maker) {
  const Record record{.topic = "payments",
                      .partition = Partition{0},
                      .offset = Offset{7},
                      .timestamp_ms = std::nullopt,
                      .value = value};
  const auto decoded = decoder.decode(record, 5, {});
  if (const auto* row = std::get_if<batch::Row>(&decoded)) {
    require(row->raw_value == value, "a value is passed on unaltered");
  } else {
    check_dead_letter(value, std::get<RecordError>(decoded), maker);
  }
}

}  // namespace
}  // namespace bronze::decode

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace bronze::decode;
  static JsonCheck json;
  static Decoder decoder({.raw_value = bronze::RawValue::kString, .form = TextForm::kJson});
  static DeadLetterMaker maker;
  const std::string_view value(reinterpret_cast<const char*>(data), size);
  check_encoding(value);
  check_json(value, json);
  check_record(value, decoder, maker);
  return 0;
}
