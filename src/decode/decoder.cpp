#include "decode/decoder.h"

#include <simdjson.h>

#include <limits>
#include <utility>

namespace bronze::decode {
namespace {

/// Length of the UTF-8 sequence at the front of `text`, 0 when it is malformed (RFC 3629).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  }
  if (length == 0 || text.size() < length) return 0;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  return length;
}

std::size_t first_invalid_byte(std::string_view text) {
  std::size_t position = 0;
  while (position < text.size()) {
    const std::size_t length = sequence_length(text.substr(position));
    if (length == 0) return position;
    position += length;
  }
  return position;
}

/// A time that microseconds cannot hold is no time.
std::optional<UnixMicros> to_micros(std::optional<std::int64_t> milliseconds) {
  constexpr std::int64_t k_limit = std::numeric_limits<std::int64_t>::max() / 1000;
  if (!milliseconds || *milliseconds > k_limit || *milliseconds < -k_limit) return std::nullopt;
  return *milliseconds * 1000;
}

std::optional<RecordError> encoding_error(const std::string& what, std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return std::nullopt;
  return RecordError{"ENCODING_ERROR", what + " is not valid UTF-8 at byte " +
                                           std::to_string(first_invalid_byte(text))};
}

std::optional<RecordError> add_headers(HeaderReader& reader, batch::RowExtras& extras) {
  const Headers headers = reader.read();
  if (const auto* unreadable = std::get_if<HeadersUnreadable>(&headers)) {
    return RecordError{"ENCODING_ERROR", unreadable->reason};
  }
  extras.headers = std::get<std::span<const Header>>(headers);
  for (std::size_t i = 0; i < extras.headers.size(); ++i) {
    auto error =
        encoding_error("the key of header " + std::to_string(i + 1), extras.headers[i].key);
    if (error) return error;
  }
  return std::nullopt;
}

}  // namespace

Decoded decode(const Record& record, UnixMicros ingested_at) {
  if (record.value && !simdjson::validate_utf8(record.value->data(), record.value->size())) {
    return *encoding_error("the value", *record.value);
  }
  return batch::Row{.raw_value = record.value,
                    .partition = record.partition,
                    .offset = record.offset,
                    .kafka_timestamp = to_micros(record.timestamp_ms),
                    .ingested_at = ingested_at};
}

DecodedExtras decode_extras(const Record& record, const ExtraColumns& columns) {
  batch::RowExtras extras;
  if (columns.topic) extras.topic = record.topic;
  if (columns.key) extras.key = record.key;
  if (columns.timestamp_type && to_micros(record.timestamp_ms)) {
    extras.timestamp_type = record.timestamp_type;
  }
  if (columns.headers && record.headers != nullptr) {
    if (auto error = add_headers(*record.headers, extras)) return std::move(*error);
  }
  return extras;
}

}  // namespace bronze::decode
