#include "base/offset_set.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <random>
#include <vector>

namespace bronze {
namespace {

OffsetRange range(std::int64_t first, std::int64_t next) { return {Offset{first}, Offset{next}}; }

TEST(OffsetSetTest, AnEmptySetHasNothing) {
  const OffsetSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.count(range(0, 1'000'000)), 0U);
  EXPECT_EQ(set.first_present(Offset{0}), std::nullopt);
  EXPECT_EQ(set.first_absent(Offset{5}), Offset{5});
  EXPECT_EQ(set.bytes(), 0U);
}

TEST(OffsetSetTest, ARangeMayCrossBlocks) {
  OffsetSet set;
  EXPECT_EQ(set.add(range(65'530, 200'000)), 134'470U);
  EXPECT_EQ(set.size(), 134'470U);
  EXPECT_EQ(set.first_present(Offset{0}), Offset{65'530});
  EXPECT_EQ(set.first_absent(Offset{65'530}), Offset{200'000});
  EXPECT_EQ(set.last(), Offset{199'999});
  EXPECT_EQ(set.count(range(65'535, 65'538)), 3U);
}

TEST(OffsetSetTest, WhatIsAddedTwiceIsTold) {
  OffsetSet set;
  OffsetSet known;
  EXPECT_EQ(set.add(range(10, 20), &known), 10U);
  EXPECT_EQ(set.add(range(30, 40), &known), 10U);
  EXPECT_TRUE(known.empty());
  EXPECT_EQ(set.add(range(15, 35), &known), 10U);
  EXPECT_EQ(known.size(), 10U);
  EXPECT_EQ(known.count(range(15, 20)), 5U);
  EXPECT_EQ(known.count(range(30, 35)), 5U);
  EXPECT_EQ(set.first_absent(Offset{10}), Offset{40});
}

TEST(OffsetSetTest, NegativeOffsetsAreLeftOut) {
  OffsetSet set;
  EXPECT_EQ(set.add(range(-5, 2)), 2U);
  EXPECT_EQ(set.count(range(-5, 5)), 2U);
}

TEST(OffsetSetTest, TheGreatestOffsetsNeedNoMoreThanOthers) {
  constexpr std::int64_t k_greatest = std::numeric_limits<std::int64_t>::max();
  OffsetSet set;
  EXPECT_EQ(set.add(range(k_greatest - 1, k_greatest)), 1U);
  EXPECT_LT(set.bytes(), 1'000U);
  EXPECT_EQ(set.first_present(Offset{0}), Offset{k_greatest - 1});
  EXPECT_EQ(set.first_absent(Offset{k_greatest - 1}), Offset{k_greatest});
  EXPECT_EQ(set.count(range(0, k_greatest)), 1U);
}

TEST(OffsetSetTest, WhatARangeNeedsIsKnownBefore) {
  for (const auto& added : {range(0, 1), range(65'535, 65'537), range(7, 10'000'000)}) {
    OffsetSet set;
    set.add(added);
    EXPECT_LE(set.bytes(), OffsetSet::bytes_to_add(added));
  }
  EXPECT_GT(OffsetSet::bytes_to_add(range(0, std::int64_t{1} << 62)), std::uint64_t{1} << 52);
  EXPECT_EQ(OffsetSet::bytes_to_add(range(-7, 0)), 0U);
}

TEST(OffsetSetTest, OffsetsInAnyOrderAreHeldInBoundedMemory) {
  OffsetSet set;
  constexpr std::int64_t k_offsets = 1'000'000;
  for (std::int64_t i = 0; i < k_offsets; i += 2) set.add(range(i, i + 1));
  EXPECT_EQ(set.size(), 500'000U);
  EXPECT_LT(set.bytes(), 16U * (8'192 + 200));
  for (std::int64_t i = 1; i < k_offsets; i += 2) set.add(range(i, i + 1));
  EXPECT_EQ(set.first_absent(Offset{0}), Offset{k_offsets});
  EXPECT_EQ(set.last(), Offset{k_offsets - 1});
}

TEST(OffsetSetTest, OffsetsInOrderNeedLittle) {
  OffsetSet set;
  for (std::int64_t i = 0; i < 65'536 * 100; i += 1'000) set.add(range(i, i + 1'000));
  EXPECT_LT(set.bytes(), 101U * 1'000);
}

/// One entry for each offset.
using Plain = std::vector<char>;

Plain random_sets(std::mt19937& random, std::int64_t longest, OffsetSet& set, OffsetSet& known) {
  Plain plain(300'000);
  for (int step = 0; step < (longest > 1'000 ? 12 : 4'000); ++step) {
    const auto first = static_cast<std::int64_t>(random() % 150'000);
    const auto next = first + 1 + static_cast<std::int64_t>(random()) % longest;
    std::uint64_t added = 0;
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(next); ++i) {
      added += plain[i] == 0;
      plain[i] = plain[i] == 0 ? 1 : 2;
    }
    EXPECT_EQ(set.add(range(first, next), &known), added);
  }
  return plain;
}

TEST(OffsetSetTest, ItAgreesWithAPlainSet) {
  std::mt19937 random(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
  for (const std::int64_t longest : {3, 200, 90'000}) {
    OffsetSet set;
    OffsetSet known;
    const Plain plain = random_sets(random, longest, set, known);
    const auto count = [&](char least, std::int64_t first, std::int64_t next) {
      return static_cast<std::uint64_t>(std::count_if(plain.begin() + first, plain.begin() + next,
                                                      [least](char of) { return of >= least; }));
    };
    const auto size = static_cast<std::int64_t>(plain.size());
    ASSERT_EQ(set.size(), count(1, 0, size));
    ASSERT_EQ(known.size(), count(2, 0, size));
    for (int step = 0; step < 200; ++step) {
      const auto at = static_cast<std::int64_t>(random() % 260'000);
      const auto present =
          std::find_if(plain.begin() + at, plain.end(), [](char of) { return of > 0; });
      const auto absent = std::find(plain.begin() + at, plain.end(), 0);
      ASSERT_EQ(
          set.first_present(Offset{at}),
          present == plain.end() ? std::nullopt : std::optional(Offset{present - plain.begin()}));
      ASSERT_EQ(set.first_absent(Offset{at}), Offset{absent - plain.begin()});
      const auto end = at + static_cast<std::int64_t>(random() % 500);
      ASSERT_EQ(set.count(range(at, end)), count(1, at, end));
    }
  }
}

TEST(OffsetSetTest, AGapIsInNeitherSet) {
  OffsetSet rows;
  OffsetSet dead;
  rows.add(range(0, 10));
  rows.add(range(12, 20));
  dead.add(range(10, 11));
  const std::array<const OffsetSet*, 2> sets{&rows, &dead};
  EXPECT_EQ(first_gap(sets, Offset{0}, Offset{30}), range(11, 12));
  EXPECT_EQ(first_gap(sets, Offset{12}, Offset{30}), range(20, 30));
  EXPECT_EQ(first_gap(sets, Offset{12}, Offset{20}), std::nullopt);
  dead.add(range(25, 26));
  EXPECT_EQ(first_gap(sets, Offset{20}, Offset{30}), range(20, 25));
}

}  // namespace
}  // namespace bronze
