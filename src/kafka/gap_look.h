#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "kafka/cluster_look.h"

namespace bronze::kafka {

/// Offsets of one partition that are to be looked at.
struct GapRequest {
  std::string topic;
  Partition partition{};
  /// The first range at or after an offset; nullopt = there is none.
  std::function<std::optional<OffsetRange>(Offset from)> next_gap;
  SteadyTime deadline;
  /// Once so many records showed, the rest is not read.
  std::uint64_t visible_max = 1'000'000;
};

/// What a read_committed consumer sees there.
struct GapLook {
  /// Why not everything was looked at.
  Trouble trouble;
  /// Every gap before it was looked at; nullopt = all were.
  std::optional<Offset> reached;
  /// Records that are there.
  std::uint64_t visible = 0;
  /// The first of them, as ranges.
  std::vector<OffsetRange> samples;
};

}  // namespace bronze::kafka
