#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/record.h"
#include "batch/arrow_c_data.h"
#include "batch/bytes_column.h"
#include "batch/extra_buffers.h"

namespace bronze::batch {

/// A record that cannot go into its table, as it goes into the dead-letter table. Views are the
/// caller's. Unless it says otherwise, a text is valid UTF-8, and nullopt = NULL.
struct DeadLetter {
  std::string_view error_message;
  std::string_view error_type;
  /// The record's value, what is no UTF-8 replaced.
  std::string_view original_payload;
  std::string_view kafka_topic;
  Partition partition{};
  Offset offset;
  UnixMicros ingested_at = 0;
  std::optional<std::string_view> session_id;
  std::optional<std::string_view> correlation_id;
  std::optional<std::string_view> causation_id;
  /// Any bytes.
  std::optional<std::string_view> original_bytes;
  /// Any bytes.
  std::optional<std::string_view> key;
  /// None = NULL.
  std::span<const Header> headers;
  std::optional<UnixMicros> kafka_timestamp;

  /// Of what the record's sender gave.
  [[nodiscard]] std::size_t payload_bytes() const {
    std::size_t bytes = original_bytes.value_or("").size() + key.value_or("").size();
    for (const Header& header : headers) {
      bytes += header.key.size() + header.value.value_or("").size();
    }
    return bytes;
  }
};

/// Dead letters in Arrow's memory layout: the columns of the dead-letter table, in order. A value:
/// one owner, one thread at a time.
class DeadLetterColumns {
 public:
  DeadLetterColumns();

  /// REQUIRES: has_room_for(letter).
  void append(const DeadLetter& letter);
  /// Arrow's 32-bit string offsets end at 2 GiB.
  [[nodiscard]] bool has_room_for(const DeadLetter& letter) const;

  /// How many columns are exported.
  [[nodiscard]] static std::size_t width();
  [[nodiscard]] std::size_t rows() const { return partitions_.size(); }
  [[nodiscard]] bool empty() const { return partitions_.empty(); }
  /// Memory that the rows occupy, roughly.
  [[nodiscard]] std::size_t bytes() const;
  /// Without key and headers.
  [[nodiscard]] DeadLetter letter(std::size_t index) const;

  /// Hands the buffers over by the Arrow C Data Interface, without a copy. The receiver calls
  /// `release` of both.
  void export_to(ArrowArray* array, ArrowSchema* schema) &&;

 private:
  BytesColumn error_messages_;
  BytesColumn error_types_;
  BytesColumn payloads_;
  BytesColumn topics_;
  std::vector<std::int32_t> partitions_;
  std::vector<std::int64_t> offsets_;
  std::vector<std::int64_t> ingested_at_;
  BytesColumn session_ids_;
  BytesColumn correlation_ids_;
  BytesColumn causation_ids_;
  BytesColumn original_bytes_;
  ExtraBuffers key_and_headers_;
  std::vector<std::int64_t> timestamps_;
  std::vector<std::uint8_t> timestamp_validity_;
  std::int64_t timestamp_nulls_ = 0;
};

}  // namespace bronze::batch
