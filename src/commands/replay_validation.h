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

/// What the present settings and schemas say of records of one topic: what the service would do
/// with them if they came now. One caller.
class Validation {
 public:
  virtual ~Validation() = default;
  /// May block. The views of the row are valid until the next call, and as long as the record's.
  [[nodiscard]] virtual Validity judge(const Record& record, UnixMicros ingested_at) = 0;
};

/// The tiers of decode::decode.
class DecodeValidation final : public Validation {
 public:
  [[nodiscard]] Validity judge(const Record& record, UnixMicros ingested_at) override;
};

}  // namespace bronze::commands
