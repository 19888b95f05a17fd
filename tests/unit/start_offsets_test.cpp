#include "ingest/start_offsets.h"

#include <gtest/gtest.h>

namespace bronze::ingest {
namespace {

constexpr Partition k_p0{0};
constexpr Partition k_p1{1};

const ListedOffsets k_listed{.earliest = {{k_p0, Offset{1}}, {k_p1, Offset{2}}},
                             .latest = {{k_p0, Offset{10}}, {k_p1, Offset{20}}},
                             .at_time = {{k_p0, Offset{5}}, {k_p1, Offset{-1}}}};

TEST(StartOffsets, AreWhatThePolicySays) {
  EXPECT_EQ(policy_offsets(StartEarliest{}, k_listed), k_listed.earliest);
  EXPECT_EQ(policy_offsets(StartLatest{}, k_listed), k_listed.latest);
}

TEST(StartOffsets, OfATimeWithoutAnyRecordThatYoungAreTheEnd) {
  EXPECT_EQ(policy_offsets(StartAtTime{}, k_listed),
            (OffsetMap{{k_p0, Offset{5}}, {k_p1, Offset{20}}}));
}

TEST(StartOffsets, OfAPartitionThatKafkaDoesNotTellAreAbsent) {
  const ListedOffsets listed{.earliest = {}, .latest = {}, .at_time = {{k_p0, Offset{-1}}}};
  EXPECT_TRUE(policy_offsets(StartAtTime{}, listed).empty());
}

}  // namespace
}  // namespace bronze::ingest
