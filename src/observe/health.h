#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "config/config.h"

namespace bronze::observe {

struct TopicHealth {
  std::string name;
  /// Records that were received and are in no table yet.
  bool has_received_records = false;
  /// When the oldest batch that is not written was, or will be, due; nullopt = there is none.
  std::optional<SteadyTime> due_at;
  std::optional<SteadyTime> last_write;
  /// Since when a record has waited for its schema; nullopt = none does.
  std::optional<SteadyTime> schema_awaited_since = {};
};

struct StoppedPartition {
  std::string topic;
  std::int32_t partition = 0;
  std::string reason;
};

/// What the service knows about itself at one moment.
struct HealthInputs {
  SteadyTime now;
  SteadyTime started;
  /// nullopt = the polling loop has not turned yet.
  std::optional<SteadyTime> last_loop_turn;
  /// Since when no broker has been reachable; at start, before the first contact, `started`.
  std::optional<SteadyTime> brokers_unreachable_since;
  /// Why they are not reachable; empty = not known.
  std::string brokers_trouble = {};
  /// Why this user may not join the consumer group; empty = it may.
  std::string group_denied = {};
  std::vector<TopicHealth> topics;
  std::vector<StoppedPartition> stopped;
  /// Topics that are not copied, and why.
  std::vector<std::pair<std::string, std::string>> refused = {};
  /// The last successful write of any topic, for the rules and as shown.
  std::optional<SteadyTime> last_write;
  std::optional<UnixMicros> last_write_at;
  /// Since the process started.
  std::uint64_t messages_written = 0;
  /// Failed writes since the last success.
  std::uint64_t errors = 0;
  /// Since the process started.
  std::uint64_t dlq_messages = 0;
};

struct Health {
  bool healthy = true;
  /// One sentence for each rule that is broken; empty when healthy.
  std::vector<std::string> reasons;
  /// The body of /health.
  std::string body;
};

/// The rules of /health, without I/O. A time limit is broken when it is exceeded, not when it is
/// reached. With IdleHealth::kUnhealthy, a last write (at first: the start) older than
/// max_write_age is one more broken rule.
[[nodiscard]] Health evaluate_health(const HealthInputs& inputs, const config::HealthConfig& rules);

}  // namespace bronze::observe
