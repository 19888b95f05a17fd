#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/ids.h"

namespace bronze {

/// One header of a record. Keys may repeat, and be any bytes.
struct Header {
  std::string_view key;
  /// nullopt = the header has no value.
  std::optional<std::string_view> value;
};

/// The headers of a record are there, but not as they were sent.
struct HeadersUnreadable {
  std::string reason;
};

/// In their order; none = the record has no headers.
using Headers = std::variant<std::span<const Header>, HeadersUnreadable>;

/// Reads the headers of the record that was polled last. They are taken apart only when somebody
/// asks, since that costs memory and time.
class HeaderReader {
 public:
  virtual ~HeaderReader() = default;
  /// The views are valid as long as the record's.
  [[nodiscard]] virtual Headers read() = 0;
};

/// What a record's timestamp stands for.
enum class TimestampType : std::uint8_t {
  /// Given by the producer.
  kCreateTime,
  /// Given by the broker.
  kLogAppendTime,
};

/// One Kafka message. The views are valid until the source is polled again.
struct Record {
  std::string_view topic;
  Partition partition{};
  Offset offset;
  /// Milliseconds since 1970; nullopt = the message has none.
  std::optional<std::int64_t> timestamp_ms;
  /// nullopt = a tombstone.
  std::optional<std::string_view> value;
  /// nullopt = the message has none.
  std::optional<std::string_view> key{};
  /// Of `timestamp_ms`, if there is one.
  TimestampType timestamp_type = TimestampType::kCreateTime;
  /// nullptr = the message has no headers. Otherwise it outlives the record.
  HeaderReader* headers = nullptr;
};

}  // namespace bronze
