#include "decode/dead_letter_maker.h"

#include <nlohmann/json.hpp>
#include <span>
#include <utility>
#include <variant>

#include "base/utf8.h"
#include "decode/encoding.h"
#include "decode/micros.h"

namespace bronze::decode {
namespace {

/// In front of a value that names its schema of a registry.
constexpr char k_magic_byte = 0;
constexpr std::size_t k_frame_bytes = 5;

/// Looks at the members of the outermost object, whatever the depth of what lies below.
class IdReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit IdReader(EventIds& ids) : ids_(ids) {}

  bool null() override { return other(); }
  bool boolean(bool /*value*/) override { return other(); }
  bool number_integer(std::int64_t /*value*/) override { return other(); }
  bool number_unsigned(std::uint64_t /*value*/) override { return other(); }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return other(); }
  bool binary(nlohmann::json::binary_t& /*value*/) override { return other(); }
  bool string(std::string& value) override {
    if (id_ != nullptr) *id_ = value;
    return other();
  }
  bool start_object(std::size_t /*members*/) override { return open(); }
  bool start_array(std::size_t /*elements*/) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    id_ = depth_ == 1 ? id_named(name) : nullptr;
    if (id_ != nullptr) id_->reset();
    return true;
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) override {
    return false;
  }

 private:
  bool other() {
    id_ = nullptr;
    return true;
  }
  bool open() {
    ++depth_;
    return other();
  }
  bool close() {
    --depth_;
    return true;
  }
  std::optional<std::string>* id_named(const std::string& name) {
    if (name == "session_id") return &ids_.session_id;
    if (name == "correlation_id") return &ids_.correlation_id;
    if (name == "causation_id") return &ids_.causation_id;
    return nullptr;
  }

  EventIds& ids_;
  int depth_ = 0;
  /// What the next value is for; nullptr = nothing.
  std::optional<std::string>* id_ = nullptr;
};

}  // namespace

EventIds ids_in(std::string_view value) {
  EventIds ids;
  IdReader reader(ids);
  if (value.size() > k_frame_bytes && value.front() == k_magic_byte) {
    value.remove_prefix(k_frame_bytes);
  }
  // Most of what is no JSON is no object either.
  const auto first = value.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || value[first] != '{') return ids;
  if (!nlohmann::json::sax_parse(value.begin(), value.end(), &reader)) return {};
  return ids;
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
