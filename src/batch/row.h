#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "base/ids.h"
#include "base/record.h"

namespace bronze::batch {

/// What of a record goes into extra columns. Columns that the table does not have stay empty.
struct RowExtras {
  std::string_view topic;
  /// nullopt = NULL.
  std::optional<std::string_view> key;
  /// Keys are valid UTF-8. None = NULL.
  std::span<const Header> headers;
  /// nullopt = NULL.
  std::optional<TimestampType> timestamp_type;

  /// Of key and headers.
  [[nodiscard]] std::size_t payload_bytes() const {
    std::size_t bytes = key.value_or("").size();
    for (const Header& header : headers) {
      bytes += header.key.size() + header.value.value_or("").size();
    }
    return bytes;
  }
};

/// One accepted record, as it goes into the table. Views are the caller's.
struct Row {
  /// nullopt = a tombstone. Valid UTF-8 where it goes into a string column as it is.
  std::optional<std::string_view> raw_value;
  Partition partition{};
  Offset offset;
  /// nullopt = NULL.
  std::optional<UnixMicros> kafka_timestamp;
  UnixMicros ingested_at = 0;
  /// nullptr = the table has no extra columns.
  const RowExtras* extras = nullptr;

  /// Of what the record's sender gave.
  [[nodiscard]] std::size_t payload_bytes() const {
    return raw_value.value_or("").size() + (extras == nullptr ? 0 : extras->payload_bytes());
  }
};

}  // namespace bronze::batch
