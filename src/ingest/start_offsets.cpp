#include "ingest/start_offsets.h"

#include <variant>

namespace bronze::ingest {

OffsetMap policy_offsets(const StartPolicy& start, const ListedOffsets& listed) {
  if (std::holds_alternative<StartEarliest>(start)) return listed.earliest;
  if (std::holds_alternative<StartLatest>(start)) return listed.latest;
  OffsetMap offsets;
  for (const auto& [partition, offset] : listed.at_time) {
    if (offset >= Offset{0}) {
      offsets[partition] = offset;
    } else if (const auto end = listed.latest.find(partition); end != listed.latest.end()) {
      offsets[partition] = end->second;
    }
  }
  return offsets;
}

}  // namespace bronze::ingest
