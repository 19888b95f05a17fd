#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"

namespace bronze {

/// A set of offsets that ranges are added to in any order.
///
/// Offsets lie in blocks of 65,536. A block holds a list of its ranges, or, when that is larger,
/// one bit for each offset: so a set needs at most 8 KiB and about 150 bytes for each block that it
/// touches, and only the 150 bytes where offsets follow each other.
class OffsetSet {
 public:
  OffsetSet();
  ~OffsetSet();
  OffsetSet(OffsetSet&&) noexcept;
  OffsetSet& operator=(OffsetSet&&) noexcept;
  OffsetSet(const OffsetSet&) = delete;
  OffsetSet& operator=(const OffsetSet&) = delete;

  /// Adds the range, and to `known`, unless that is null, those of it that were there already.
  /// Returns how many were not. Negative offsets are left out.
  std::uint64_t add(OffsetRange range, OffsetSet* known = nullptr);

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// How many of the range are there.
  [[nodiscard]] std::uint64_t count(OffsetRange range) const;
  /// The first at or after `from`; nullopt = none.
  [[nodiscard]] std::optional<Offset> first_present(Offset from) const;
  [[nodiscard]] Offset first_absent(Offset from) const;
  /// REQUIRES: not empty.
  [[nodiscard]] Offset last() const;
  /// Roughly what the set holds in memory.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// At most that is what one more range takes.
  [[nodiscard]] static std::uint64_t bytes_to_add(OffsetRange range);

 private:
  class Block;

  std::map<std::int64_t, Block> blocks_;
  std::uint64_t size_ = 0;
  std::uint64_t bytes_ = 0;
};

/// The first range of offsets at or after `from` and before `end` that is in none of the sets, as
/// long as it goes; nullopt = every one is in some.
[[nodiscard]] std::optional<OffsetRange> first_gap(std::span<const OffsetSet* const> sets,
                                                   Offset from, Offset end);

/// Adds to `into` what of the range is in `of`.
void add_common(OffsetRange range, const OffsetSet& of, OffsetSet& into);

}  // namespace bronze
