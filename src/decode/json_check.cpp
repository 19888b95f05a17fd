#include "decode/json_check.h"

#include <simdjson.h>

#include <algorithm>
#include <cstddef>
#include <new>
#include <string>
#include <vector>

#include "decode/encoding.h"
#include "decode/json_grammar.h"

namespace bronze::decode {
namespace {

/// A parser takes 14 times as much memory as its largest text. What is larger is read without one.
constexpr std::size_t k_parsed_bytes_max = std::size_t{64} * 1024;
constexpr std::size_t k_parsed_bytes_first = 4096;

}  // namespace

struct JsonCheck::Parser {
  /// What the parser may read behind a value is not ours where librdkafka left it: it is copied.
  std::vector<char> padded = std::vector<char>(k_parsed_bytes_max + simdjson::SIMDJSON_PADDING);
  simdjson::dom::parser parser{k_parsed_bytes_max};
};

JsonCheck::JsonCheck() : parser_(std::make_unique<Parser>()) {
  // It counts a level more, unless the innermost one is empty; what it refuses is looked at again.
  const auto error = parser_->parser.allocate(k_parsed_bytes_first, k_json_depth_max);
  if (error != simdjson::SUCCESS) throw std::bad_alloc();
}

JsonCheck::~JsonCheck() = default;

std::optional<RecordError> JsonCheck::error_in(std::string_view value) {
  if (value.size() <= k_parsed_bytes_max && !value.starts_with('\xEF')) {
    std::copy(value.begin(), value.end(), parser_->padded.begin());
    const auto parsed = parser_->parser.parse(parser_->padded.data(), value.size(), false);
    if (parsed.error() == simdjson::SUCCESS) return std::nullopt;
  }
  // The parser does not say where, and refuses numbers that it cannot hold.
  if (auto error = encoding_error("the value", value)) return error;
  const auto fault = first_json_fault(value);
  if (!fault) return std::nullopt;
  return RecordError{k_json_parse_error, "the value is not valid JSON at byte " +
                                             std::to_string(fault->position) + ": " + fault->what};
}

}  // namespace bronze::decode
