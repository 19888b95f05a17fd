#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "kafka/handles.h"
#include "kafka/message_source.h"

namespace bronze::kafka {

/// Asks Kafka what a consumer group has committed, as a tool that shows lag does, without joining
/// the group. One thread at a time.
class GroupOffsets {
 public:
  /// Throws std::runtime_error when librdkafka refuses the settings.
  GroupOffsets(const std::string& bootstrap_servers, const std::string& group);

  using Committed = std::map<TopicPartition, Offset>;
  /// Waits for the answer. nullopt = none came. A partition without a committed offset is absent.
  [[nodiscard]] std::optional<Committed> ask(const std::vector<TopicPartition>& partitions,
                                             std::chrono::milliseconds timeout);

 private:
  ClientHandle client_;
};

}  // namespace bronze::kafka
