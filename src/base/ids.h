#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>

namespace bronze {

/// A Kafka partition number, >= 0.
enum class Partition : std::int32_t {};

[[nodiscard]] constexpr std::int32_t number(Partition partition) {
  return static_cast<std::int32_t>(partition);
}

/// A position in a partition, >= 0.
struct Offset {
  std::int64_t value = 0;

  friend constexpr auto operator<=>(Offset, Offset) = default;  // NOLINT(modernize-use-nullptr)
  [[nodiscard]] constexpr Offset following() const { return Offset{value + 1}; }
};

/// Half-open: `first` is included, `next` is not.
struct OffsetRange {
  Offset first;
  Offset next;

  friend constexpr bool operator==(const OffsetRange&, const OffsetRange&) = default;
};

using OffsetMap = std::map<Partition, Offset>;
using RangeMap = std::map<Partition, OffsetRange>;

/// Which topic a name stands for. Two topics of the same name, one created after the other was
/// deleted, or on different clusters, differ.
struct TopicIdentity {
  /// URL-safe base64 of the topic's uuid; `{cluster-id}:{topic}` from a broker without topic ids.
  std::string text;
  /// The first 63 bits of the uuid; 0 without topic ids.
  std::int64_t number = 0;

  friend bool operator==(const TopicIdentity&, const TopicIdentity&) = default;
};

}  // namespace bronze
