#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/extra_columns.h"
#include "base/raw_value.h"
#include "base/record.h"
#include "batch/row.h"
#include "decode/json_check.h"
#include "decode/record_error.h"
#include "decode/validator.h"

namespace bronze::decode {

using Decoded = std::variant<batch::Row, RecordError, NeedsSchema>;

/// Bytes to row: the value must be valid UTF-8 and is passed on unaltered. The row's views are
/// those of the record. Pure.
[[nodiscard]] Decoded decode(const Record& record, UnixMicros ingested_at);

using DecodedExtras = std::variant<batch::RowExtras, RecordError>;

/// What of a record goes into `columns`: the keys of its headers must be valid UTF-8, if there is a
/// column for them. What is not wanted is not looked at. The views are those of the record.
[[nodiscard]] DecodedExtras decode_extras(const Record& record, const ExtraColumns& columns);

/// What a value must be besides what its column can hold.
enum class TextForm { kAny, kJson };

struct DecoderSettings {
  /// A column of text holds valid UTF-8 only.
  RawValue raw_value = RawValue::kString;
  TextForm form = TextForm::kAny;
};

/// Takes the records of one topic through the tiers: encoding, form, schema. Owned by its lane;
/// ingest thread.
class Decoder {
 public:
  /// `validator`: nullptr = the topic has no schema.
  explicit Decoder(const DecoderSettings& settings, std::unique_ptr<Validator> validator = nullptr);

  /// The row's views are those of the record and, for `columns`, good until the next call.
  [[nodiscard]] Decoded decode(const Record& record, UnixMicros ingested_at,
                               const ExtraColumns& columns);
  /// The same of a record that must go into the table if the table can hold it.
  [[nodiscard]] Decoded decode_unchecked(const Record& record, UnixMicros ingested_at,
                                         const ExtraColumns& columns);

  /// Which one has to be fetched before the value can be judged; nullopt = none.
  [[nodiscard]] std::optional<std::int32_t> schema_missing_for(std::string_view value);

  /// nullptr = there is none. As long as this.
  [[nodiscard]] Validator* validator() const { return validator_.get(); }

 private:
  [[nodiscard]] Verdict check(std::string_view value);
  [[nodiscard]] bool fits_column(std::string_view value) const;
  [[nodiscard]] Decoded accept(const Record& record, UnixMicros ingested_at,
                               const ExtraColumns& columns);

  const DecoderSettings settings_;
  const std::unique_ptr<Validator> validator_;
  /// For kJson only.
  std::optional<JsonCheck> json_;
  /// What the row in hand points to.
  batch::RowExtras extras_;
};

}  // namespace bronze::decode
