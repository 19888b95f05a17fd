#pragma once

#include <array>
#include <string>
#include <string_view>

namespace bronze {

/// Which of the columns that may follow the six a table has, or is to have.
struct ExtraColumns {
  bool topic = false;
  bool key = false;
  bool headers = false;
  bool timestamp_type = false;

  [[nodiscard]] constexpr bool any() const { return topic || key || headers || timestamp_type; }
  friend constexpr bool operator==(const ExtraColumns&, const ExtraColumns&) = default;
};

struct ExtraColumn {
  std::string_view name;
  bool ExtraColumns::*member;
};

/// In the order that they have in every table.
inline constexpr std::array k_extra_columns{
    ExtraColumn{"_kafka_topic", &ExtraColumns::topic},
    ExtraColumn{"_kafka_key", &ExtraColumns::key},
    ExtraColumn{"_kafka_headers", &ExtraColumns::headers},
    ExtraColumn{"_kafka_timestamp_type", &ExtraColumns::timestamp_type},
};

/// `_kafka_key,_kafka_headers`, in the order of the table; empty = none.
[[nodiscard]] std::string names_of(const ExtraColumns& columns);

/// Those of `columns` that are not in `others`.
[[nodiscard]] ExtraColumns without(ExtraColumns columns, const ExtraColumns& others);

}  // namespace bronze
