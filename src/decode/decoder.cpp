#include "decode/decoder.h"

#include <limits>
#include <utility>

#include "decode/encoding.h"
#include "decode/micros.h"

namespace bronze::decode {
namespace {

std::optional<RecordError> add_headers(HeaderReader& reader, batch::RowExtras& extras) {
  const Headers headers = reader.read();
  if (const auto* unreadable = std::get_if<HeadersUnreadable>(&headers)) {
    return RecordError{k_encoding_error, unreadable->reason};
  }
  extras.headers = std::get<std::span<const Header>>(headers);
  for (std::size_t i = 0; i < extras.headers.size(); ++i) {
    auto error =
        encoding_error("the key of header " + std::to_string(i + 1), extras.headers[i].key);
    if (error) return error;
  }
  return std::nullopt;
}

/// Made in place, since every record passes here.
Decoded row_of(const Record& record, UnixMicros ingested_at) {
  Decoded decoded(std::in_place_type<batch::Row>);
  auto& row = std::get<batch::Row>(decoded);
  row.raw_value = record.value;
  row.partition = record.partition;
  row.offset = record.offset;
  row.kafka_timestamp = to_micros(record.timestamp_ms);
  row.ingested_at = ingested_at;
  return decoded;
}

}  // namespace

Decoded decode(const Record& record, UnixMicros ingested_at) {
  if (record.value && !is_utf8(*record.value)) return *encoding_error("the value", *record.value);
  return row_of(record, ingested_at);
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

Decoder::Decoder(const DecoderSettings& settings, std::unique_ptr<Validator> validator)
    : settings_(settings), validator_(std::move(validator)) {
  if (settings_.form == TextForm::kJson) json_.emplace();
}

Decoded Decoder::decode(const Record& record, UnixMicros ingested_at, const ExtraColumns& columns) {
  // A tombstone passes every tier.
  if (record.value) {
    Verdict verdict = check(*record.value);
    if (auto* error = std::get_if<RecordError>(&verdict)) return std::move(*error);
    if (const auto* needed = std::get_if<NeedsSchema>(&verdict)) return *needed;
  }
  return accept(record, ingested_at, columns);
}

Decoded Decoder::decode_unchecked(const Record& record, UnixMicros ingested_at,
                                  const ExtraColumns& columns) {
  if (record.value && !fits_column(*record.value)) {
    return *encoding_error("the value", *record.value);
  }
  return accept(record, ingested_at, columns);
}

std::optional<std::int32_t> Decoder::schema_missing_for(std::string_view value) {
  const Verdict verdict = check(value);
  const auto* needed = std::get_if<NeedsSchema>(&verdict);
  return needed == nullptr ? std::nullopt : std::optional(needed->id);
}

/// Which tier looks at which value.
Verdict Decoder::check(std::string_view value) {
  if (json_) {
    // Sees to the encoding too.
    if (auto error = json_->error_in(value)) return std::move(*error);
  } else if (!fits_column(value)) {
    return *encoding_error("the value", value);
  }
  if (validator_) return validator_->check(value);
  return Accepted{};
}

bool Decoder::fits_column(std::string_view value) const {
  return settings_.raw_value != RawValue::kString || is_utf8(value);
}

Decoded Decoder::accept(const Record& record, UnixMicros ingested_at, const ExtraColumns& columns) {
  if (!columns.any()) return row_of(record, ingested_at);
  auto extras = decode_extras(record, columns);
  if (auto* error = std::get_if<RecordError>(&extras)) return std::move(*error);
  extras_ = std::get<batch::RowExtras>(extras);
  Decoded accepted = row_of(record, ingested_at);
  std::get<batch::Row>(accepted).extras = &extras_;
  return accepted;
}

}  // namespace bronze::decode
