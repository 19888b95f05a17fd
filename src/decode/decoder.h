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

/// Bytes to row: the value must be valid UTF-8 and is passed on unaltered. So must the keys of the
/// headers, if there is a column for them; nothing else is looked at for columns that are not
/// wanted. The row's views are those of the record.
[[nodiscard]] Decoded decode(const Record& record, UnixMicros ingested_at,
                             const ExtraColumns& columns = {});

}  // namespace bronze::decode
