#pragma once

#include <string>
#include <variant>

#include "base/clock.h"
#include "base/record.h"
#include "batch/row.h"
#include "decode/decoder.h"

namespace bronze::commands {

/// Whether a value is good or bad cannot be told now; later it may.
struct NotToldYet {
  std::string message;
};

using Validity = std::variant<batch::Row, decode::RecordError, NotToldYet>;

/// What the present settings and schemas say of a record: what the service would do with it if it
/// came now. May block while a schema is fetched. The views of the row are valid until the next
/// call, and as long as the record's.
[[nodiscard]] Validity judge(decode::Decoder& decoder, const Record& record,
                             UnixMicros ingested_at);

}  // namespace bronze::commands
