#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/clock.h"
#include "base/extra_columns.h"
#include "base/record.h"
#include "batch/row.h"

namespace bronze::decode {

/// Why a record cannot go into its table. A value, never an exception.
struct RecordError {
  /// ENCODING_ERROR
  std::string type;
  /// Names the place.
  std::string message;
};

using Decoded = std::variant<batch::Row, RecordError>;

/// Bytes to row: the value must be valid UTF-8 and is passed on unaltered. The row's views are
/// those of the record. Pure.
[[nodiscard]] Decoded decode(const Record& record, UnixMicros ingested_at);

using DecodedExtras = std::variant<batch::RowExtras, RecordError>;

/// What of a record goes into `columns`: the keys of its headers must be valid UTF-8, if there is a
/// column for them. What is not wanted is not looked at. The views are those of the record.
[[nodiscard]] DecodedExtras decode_extras(const Record& record, const ExtraColumns& columns);

}  // namespace bronze::decode
