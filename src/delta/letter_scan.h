#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "delta/table_sink.h"

namespace bronze::delta {

/// Which rows of a dead-letter table are wanted. Ranges are half-open.
struct LetterQuery {
  /// Rows that name another one as their `kafka_topic` are left out.
  std::string topic;
  /// Empty = all.
  std::vector<std::string> error_types;
  /// nullopt = all.
  std::optional<Partition> partition;
  OffsetRange offsets{Offset{0}, Offset{std::numeric_limits<std::int64_t>::max()}};
  /// By `_ingested_at`; a row without it counts as of 1970.
  UnixMicros since = std::numeric_limits<UnixMicros>::min();
  UnixMicros until = std::numeric_limits<UnixMicros>::max();
};

struct LetterHeader {
  std::string key;
  /// nullopt = the header has no value.
  std::optional<std::string> value;
};

/// A row of a dead-letter table. What the table has no column for is NULL.
struct DeadLetter {
  Partition partition{};
  Offset offset;
  UnixMicros ingested_at = 0;
  std::string error_type;
  /// `_original_bytes`; nullopt = NULL.
  std::optional<std::string> bytes;
  /// `original_payload`; empty where there are bytes.
  std::string text;
  std::optional<UnixMicros> kafka_timestamp;
  std::optional<std::string> key;
  std::vector<LetterHeader> headers;
};

struct LetterPart {
  /// Not kOk ends the scan.
  StoreOutcome outcome;
  bool done = false;
  /// Rows that were read for this part, wanted or not.
  std::uint64_t rows_read = 0;
  std::vector<DeadLetter> letters;
};

/// Reads whole dead letters of one snapshot, at most 8 MiB at a time, or one that is larger. One
/// caller. Calls block.
class LetterScan {
 public:
  virtual ~LetterScan() = default;
  [[nodiscard]] virtual LetterPart advance() = 0;
};

}  // namespace bronze::delta
