#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

namespace bronze::batch {

/// Arrow's 32-bit offsets end at 2 GiB.
inline constexpr auto k_offset_max =
    static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max());

/// `bitmap` holds a bit for each of the first `index` rows; adds the next.
inline void set_validity(std::vector<std::uint8_t>& bitmap, std::size_t index, bool valid) {
  if (index / 8 == bitmap.size()) bitmap.push_back(0);
  if (valid) bitmap[index / 8] = static_cast<std::uint8_t>(bitmap[index / 8] | (1U << (index % 8)));
}

/// Byte strings in Arrow's memory layout of utf8 and binary. A value.
class BytesColumn {
 public:
  /// REQUIRES: has_room_for(the value's size). nullopt = NULL.
  void append(std::optional<std::string_view> value) {
    const std::size_t index = rows();
    if (value) bytes_.insert(bytes_.end(), value->begin(), value->end());
    ends_.push_back(static_cast<std::int32_t>(bytes_.size()));
    set_validity(validity_, index, value.has_value());
    if (!value) ++nulls_;
  }

  [[nodiscard]] bool has_room_for(std::size_t size) const {
    return bytes_.size() + size <= k_offset_max;
  }
  [[nodiscard]] std::size_t rows() const { return ends_.size() - 1; }
  [[nodiscard]] std::int64_t nulls() const { return nulls_; }
  /// Memory that the rows occupy, roughly.
  [[nodiscard]] std::size_t held_bytes() const { return bytes_.size() + rows() * 4; }

  // Arrow's three buffers.
  [[nodiscard]] const std::uint8_t* validity() const { return validity_.data(); }
  [[nodiscard]] const std::int32_t* ends() const { return ends_.data(); }
  [[nodiscard]] const char* bytes() const { return bytes_.data(); }

 private:
  std::vector<std::int32_t> ends_{0};
  std::vector<char> bytes_;
  std::vector<std::uint8_t> validity_;
  std::int64_t nulls_ = 0;
};

}  // namespace bronze::batch
