#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "kafka/message_source.h"

namespace bronze::kafka {

/// Why Kafka did not tell something, by what can be done about it.
struct Trouble {
  enum class Kind {
    kNone,
    /// No answer, or one that may change by itself.
    kUnreachable,
    /// Credentials or rights.
    kDenied,
    /// One side does not accept the other's certificate, or does not speak its protocol.
    kUntrusted,
    kUnknownTopic,
    /// None of the above.
    kOther,
  };
  Kind kind = Kind::kNone;
  /// Empty = kNone.
  std::string message;
  /// What to mend; empty = the message says it, or it is not known.
  std::string advice = {};

  [[nodiscard]] bool any() const { return kind != Kind::kNone; }
  /// The message with the advice.
  [[nodiscard]] std::string text() const {
    return advice.empty() ? message : message + ". " + advice;
  }
};

/// Whether we may do something, by what the brokers say; kUnknown = they do not say.
enum class Right { kUnknown, kGranted, kMissing };

struct Broker {
  std::int32_t id = 0;
  std::string address;
};

struct GroupLook {
  Trouble trouble;
  /// As Kafka names it: Stable, Empty, Dead (= there is no such group yet), ...
  std::string state;
  /// Empty = no members.
  std::string assignor;
  std::size_t members = 0;
  Right may_read = Right::kUnknown;
};

struct TopicLook {
  std::string topic;
  Trouble trouble;
  TopicIdentity identity;
  /// The brokers are too old to know topic ids.
  bool without_id = false;
  std::vector<Partition> partitions;
  Right may_read = Right::kUnknown;
  /// Why some of the offsets below lack partitions.
  Trouble offsets_trouble;
  OffsetMap earliest;
  /// What a read_committed consumer can reach.
  OffsetMap latest;
  /// The high watermark, asked for before `latest`: what lies from there to here waits for a
  /// transaction to end.
  OffsetMap end;
  /// Only when a time was asked for; negative = no record that young.
  OffsetMap at_time;
  Trouble group_offsets_trouble;
  std::map<Partition, GroupOffset> group_offsets;
};

struct ClusterLook {
  /// Of reaching any broker; nothing is known of the topics and the group then.
  Trouble trouble;
  /// Empty = not told.
  std::string cluster_id;
  std::vector<Broker> brokers;
  GroupLook group;
  /// Of listing all topics, which LookRequest::more_topics is about.
  Trouble list_trouble;
  /// One for each topic asked for, in that order.
  std::vector<TopicLook> topics;
};

struct LookRequest {
  std::vector<std::string> topics;
  /// Called once at most, on the asking thread, with the names of all topics of the cluster that
  /// this user may see: which of them to look at besides. Empty = `topics` are all.
  std::function<std::vector<std::string>(const std::vector<std::string>& all)> more_topics = {};
  /// Also list the offsets of this time.
  std::optional<std::int64_t> unix_ms;
  std::chrono::milliseconds timeout{};
};

}  // namespace bronze::kafka
