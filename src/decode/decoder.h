#pragma once

#include <optional>
#include <string>
#include <variant>

#include "base/clock.h"
#include "base/record.h"
#include "batch/columns.h"

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

}  // namespace bronze::decode
