#include "base/offset_set.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <utility>

namespace bronze {
namespace {

constexpr std::int64_t k_block_offsets = 65'536;
constexpr std::size_t k_words = k_block_offsets / 64;
/// A list that has grown to so many ranges is as large as the bits.
constexpr std::size_t k_ranges_max = 512;
/// A node of the map and a short list.
constexpr std::uint64_t k_block_bytes = 150;
constexpr std::uint64_t k_bits_bytes = k_words * sizeof(std::uint64_t);

/// Within a block, half-open.
struct Span {
  std::uint32_t first = 0;
  std::uint32_t next = 0;
};

using Bits = std::array<std::uint64_t, k_words>;

/// Uses each word that the span touches, with the bits of it that it covers.
template <typename Use>
void for_each_word(Span span, const Use& use) {
  for (std::uint32_t bit = span.first; bit < span.next;) {
    const std::uint32_t word = bit / 64;
    const std::uint32_t end = std::min(span.next, (word + 1) * 64);
    const std::uint64_t upto =
        end - bit == 64 ? ~std::uint64_t{0} : ((std::uint64_t{1} << (end - bit)) - 1) << bit % 64;
    use(word, upto);
    bit = end;
  }
}

}  // namespace

class OffsetSet::Block {
 public:
  /// Returns how many were not there.
  std::uint32_t add(Span span) {
    if (bits_) return add_bits(span);
    // The ranges that overlap or touch the span become one with it.
    const auto begin =
        std::lower_bound(ranges_.begin(), ranges_.end(), span.first,
                         [](const Span& range, std::uint32_t at) { return range.next < at; });
    auto end = begin;
    std::uint32_t known = 0;
    Span joined = span;
    for (; end != ranges_.end() && end->first <= span.next; ++end) {
      known += overlap(*end, span);
      joined = {std::min(joined.first, end->first), std::max(joined.next, end->next)};
    }
    if (begin == end) {
      ranges_.insert(begin, joined);
    } else {
      *begin = joined;
      ranges_.erase(std::next(begin), end);
    }
    if (ranges_.size() > k_ranges_max) turn_to_bits();
    return span.next - span.first - known;
  }

  [[nodiscard]] std::uint32_t count(Span span) const {
    std::uint32_t found = 0;
    if (bits_) {
      for_each_word(span, [&](std::uint32_t word, std::uint64_t mask) {
        found += static_cast<std::uint32_t>(std::popcount((*bits_)[word] & mask));
      });
      return found;
    }
    for (auto range = from(span.first); range != ranges_.end() && range->first < span.next;
         ++range) {
      found += overlap(*range, span);
    }
    return found;
  }

  /// k_block_offsets = none.
  [[nodiscard]] std::uint32_t first_present(std::uint32_t at) const {
    if (bits_) return scan(at, 0);
    const auto range = from(at);
    return range == ranges_.end() ? std::uint32_t{k_block_offsets} : std::max(range->first, at);
  }

  /// k_block_offsets = none.
  [[nodiscard]] std::uint32_t first_absent(std::uint32_t at) const {
    if (bits_) return scan(at, ~std::uint64_t{0});
    const auto range = from(at);
    return range == ranges_.end() || range->first > at ? at : range->next;
  }

  [[nodiscard]] std::uint32_t last() const {
    if (!bits_) return ranges_.back().next - 1;
    std::uint32_t word = k_words - 1;
    while ((*bits_)[word] == 0) --word;
    return word * 64 + 63 - static_cast<std::uint32_t>(std::countl_zero((*bits_)[word]));
  }

  [[nodiscard]] std::uint64_t bytes() const {
    return k_block_bytes + (bits_ ? k_bits_bytes : ranges_.capacity() * sizeof(Span));
  }

 private:
  [[nodiscard]] static std::uint32_t overlap(Span one, Span other) {
    const std::uint32_t first = std::max(one.first, other.first);
    const std::uint32_t next = std::min(one.next, other.next);
    return next > first ? next - first : 0;
  }

  /// The first range that ends after `at`.
  [[nodiscard]] std::vector<Span>::const_iterator from(std::uint32_t at) const {
    return std::lower_bound(
        ranges_.begin(), ranges_.end(), at,
        [](const Span& range, std::uint32_t where) { return range.next <= where; });
  }

  std::uint32_t add_bits(Span span) {
    std::uint32_t added = 0;
    for_each_word(span, [&](std::uint32_t word, std::uint64_t mask) {
      added += static_cast<std::uint32_t>(std::popcount(mask & ~(*bits_)[word]));
      (*bits_)[word] |= mask;
    });
    return added;
  }

  void turn_to_bits() {
    bits_ = std::make_unique<Bits>();
    bits_->fill(0);
    for (const Span range : ranges_) add_bits(range);
    std::vector<Span>().swap(ranges_);
  }

  /// The first bit at or after `at` whose value differs from that of `pattern`'s bits.
  [[nodiscard]] std::uint32_t scan(std::uint32_t at, std::uint64_t pattern) const {
    for (std::uint32_t word = at / 64; word < k_words; ++word) {
      std::uint64_t wanted = (*bits_)[word] ^ pattern;
      if (word == at / 64) wanted &= ~std::uint64_t{0} << at % 64;
      if (wanted != 0) return word * 64 + static_cast<std::uint32_t>(std::countr_zero(wanted));
    }
    return k_block_offsets;
  }

  /// Ascending, not touching each other; empty once there are bits.
  std::vector<Span> ranges_;
  std::unique_ptr<Bits> bits_;
};

OffsetSet::OffsetSet() = default;
OffsetSet::~OffsetSet() = default;
OffsetSet::OffsetSet(OffsetSet&&) noexcept = default;
OffsetSet& OffsetSet::operator=(OffsetSet&&) noexcept = default;

std::uint64_t OffsetSet::add(OffsetRange range, OffsetSet* known) {
  std::uint64_t added = 0;
  for (std::int64_t at = std::max<std::int64_t>(range.first.value, 0); at < range.next.value;) {
    const std::int64_t base = at - at % k_block_offsets;
    const std::int64_t end = base + std::min(range.next.value - base, k_block_offsets);
    const Span span{static_cast<std::uint32_t>(at - base), static_cast<std::uint32_t>(end - base)};
    const auto [entry, is_new] = blocks_.try_emplace(base);
    Block& block = entry->second;
    if (known != nullptr && block.count(span) > 0) {
      for (std::int64_t offset = at; offset < end;) {
        const std::int64_t first =
            base + block.first_present(static_cast<std::uint32_t>(offset - base));
        if (first >= end) break;
        const std::int64_t next =
            std::min(end, base + block.first_absent(static_cast<std::uint32_t>(first - base)));
        known->add({Offset{first}, Offset{next}});
        offset = next;
      }
    }
    const std::uint64_t before = is_new ? 0 : block.bytes();
    added += block.add(span);
    bytes_ += block.bytes() - before;
    at = end;
  }
  size_ += added;
  return added;
}

std::uint64_t OffsetSet::bytes_to_add(OffsetRange range) {
  const std::int64_t first = std::max<std::int64_t>(range.first.value, 0);
  if (first >= range.next.value) return 0;
  // The last block may be shared by two, and a short list may grow or become bits at both ends.
  const auto blocks = static_cast<std::uint64_t>((range.next.value - first) / k_block_offsets) + 2;
  return blocks * k_block_bytes + 2 * k_bits_bytes;
}

std::uint64_t OffsetSet::count(OffsetRange range) const {
  std::uint64_t found = 0;
  for (auto entry = blocks_.lower_bound(range.first.value - k_block_offsets + 1);
       entry != blocks_.end() && entry->first < range.next.value; ++entry) {
    const std::int64_t first = std::max<std::int64_t>(range.first.value - entry->first, 0);
    const std::int64_t next = std::min(range.next.value - entry->first, k_block_offsets);
    if (first >= next) continue;
    found +=
        entry->second.count({static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(next)});
  }
  return found;
}

std::optional<Offset> OffsetSet::first_present(Offset from) const {
  for (auto entry = blocks_.lower_bound(from.value - k_block_offsets + 1); entry != blocks_.end();
       ++entry) {
    const auto at = std::max<std::int64_t>(from.value - entry->first, 0);
    const std::uint32_t found = entry->second.first_present(static_cast<std::uint32_t>(at));
    if (found < k_block_offsets) return Offset{entry->first + found};
  }
  return std::nullopt;
}

Offset OffsetSet::first_absent(Offset from) const {
  std::int64_t at = from.value;
  while (true) {
    const std::int64_t base = at - at % k_block_offsets;
    const auto entry = blocks_.find(base);
    if (at < 0 || entry == blocks_.end()) return Offset{at};
    const std::uint32_t found = entry->second.first_absent(static_cast<std::uint32_t>(at - base));
    at = base + found;
    if (found < k_block_offsets) return Offset{at};
  }
}

Offset OffsetSet::last() const {
  const auto& [base, block] = *blocks_.rbegin();
  return Offset{base + block.last()};
}

std::optional<OffsetRange> first_gap(std::span<const OffsetSet* const> sets, Offset from,
                                     Offset end) {
  Offset first = from;
  for (bool moved = true; moved;) {
    moved = false;
    for (const OffsetSet* set : sets) {
      const Offset absent = set->first_absent(first);
      moved = moved || absent != first;
      first = absent;
    }
  }
  if (first >= end) return std::nullopt;
  Offset next = end;
  for (const OffsetSet* set : sets) next = std::min(next, set->first_present(first).value_or(end));
  return OffsetRange{first, next};
}

void add_common(OffsetRange range, const OffsetSet& of, OffsetSet& into) {
  for (auto first = of.first_present(range.first); first && *first < range.next;) {
    const Offset next = std::min(of.first_absent(*first), range.next);
    into.add({*first, next});
    first = of.first_present(next);
  }
}

}  // namespace bronze
