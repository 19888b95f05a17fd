#include "decode/dead_letter_maker.h"

#include <span>
#include <utility>
#include <variant>

#include "base/utf8.h"
#include "decode/encoding.h"
#include "decode/json_grammar.h"
#include "decode/micros.h"

namespace bronze::decode {
namespace {

/// In front of a value that names its schema of a registry.
constexpr char k_magic_byte = 0;
constexpr std::size_t k_frame_bytes = 5;

std::optional<std::string>* id_named(std::string_view written, EventIds& ids) {
  const std::string name = json_string(written);
  if (name == "session_id") return &ids.session_id;
  if (name == "correlation_id") return &ids.correlation_id;
  if (name == "causation_id") return &ids.causation_id;
  return nullptr;
}

}  // namespace

EventIds ids_in(std::string_view value) {
  if (value.size() > k_frame_bytes && value.front() == k_magic_byte) {
    value.remove_prefix(k_frame_bytes);
  }
  // Most of what is no JSON is no object either.
  const auto first = value.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || value[first] != '{' || !is_utf8(value)) return {};
  EventIds ids;
  const auto fault =
      read_json_members(value, [&ids](std::string_view name, std::string_view member) {
        std::optional<std::string>* id = id_named(name, ids);
        if (id == nullptr) return;
        id->reset();
        if (member.front() == '"') *id = json_string(member);
      });
  return fault ? EventIds{} : ids;
}

batch::DeadLetter DeadLetterMaker::make(const Record& record, const RecordError& error,
                                        UnixMicros ingested_at) {
  texts_.clear();
  headers_.clear();
  ids_ = record.value ? ids_in(*record.value) : EventIds{};
  if (record.headers != nullptr) take_headers(*record.headers);
  return {.error_message = as_text(error.message),
          .error_type = error.type,
          .original_payload = as_text(record.value.value_or("")),
          .kafka_topic = record.topic,
          .partition = record.partition,
          .offset = record.offset,
          .ingested_at = ingested_at,
          .session_id = ids_.session_id,
          .correlation_id = ids_.correlation_id,
          .causation_id = ids_.causation_id,
          .original_bytes = record.value,
          .key = record.key,
          .headers = headers_,
          .kafka_timestamp = to_micros(record.timestamp_ms)};
}

void DeadLetterMaker::take_headers(HeaderReader& reader) {
  const Headers headers = reader.read();
  const auto* readable = std::get_if<std::span<const Header>>(&headers);
  if (readable == nullptr) return;
  headers_.assign(readable->begin(), readable->end());
  for (Header& header : headers_) header.key = as_text(header.key);
}

std::string_view DeadLetterMaker::as_text(std::string_view text) {
  if (is_utf8(text)) return text;
  return texts_.emplace_back(with_replacements(text));
}

}  // namespace bronze::decode
