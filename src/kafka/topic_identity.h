#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"

namespace bronze::kafka {

/// The identity of a topic by its uuid, given as two longs as librdkafka does (Kafka KIP-516).
/// REQUIRES: not both zero.
[[nodiscard]] TopicIdentity identity_from_uuid(std::int64_t most, std::int64_t least);

/// For brokers without topic ids: cannot tell a re-created topic.
[[nodiscard]] TopicIdentity identity_from_name(const std::string& cluster_id,
                                               const std::string& topic);

}  // namespace bronze::kafka
