#pragma once

#include <string>

#include "observe/observation.h"

namespace bronze::observe {

enum class StatusDetail { kTopics, kPartitions };

/// The body of /status: everything that is known, as JSON. docs/status.md names each member. With
/// kTopics, of /status/topics: the same without partitions.
[[nodiscard]] std::string status_json(const Observation& seen,
                                      StatusDetail detail = StatusDetail::kPartitions);

}  // namespace bronze::observe
