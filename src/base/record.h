#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ids.h"

namespace bronze {

/// One Kafka message. The views are valid until the source is polled again.
struct Record {
  std::string_view topic;
  Partition partition{};
  Offset offset;
  /// Milliseconds since 1970; nullopt = the message has none.
  std::optional<std::int64_t> timestamp_ms;
  /// nullopt = a tombstone.
  std::optional<std::string_view> value;
};

}  // namespace bronze
