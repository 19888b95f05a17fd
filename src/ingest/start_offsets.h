#pragma once

#include "base/ids.h"
#include "base/start_policy.h"

namespace bronze::ingest {

/// What Kafka tells about the offsets of a topic.
struct ListedOffsets {
  OffsetMap earliest;
  OffsetMap latest;
  /// Of the first record at the time of KAFKA_START or later, negative = there is none. Looked up
  /// for StartAtTime only.
  OffsetMap at_time;
};

/// Where the start policy puts each partition that has no progress.
[[nodiscard]] OffsetMap policy_offsets(const StartPolicy& start, const ListedOffsets& listed);

}  // namespace bronze::ingest
