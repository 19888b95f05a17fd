#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "config/config.h"
#include "kafka/cluster_look.h"

namespace bronze::commands {

enum class Level {
  kOk,
  /// Works, but look at it.
  kWarning,
  /// Could not be told: something did not answer.
  kUnknown,
  /// Does not work until somebody acts.
  kProblem,
};

/// One thing that was looked at.
struct Finding {
  Level level = Level::kOk;
  std::string subject;
  std::string message;
  /// What to do; empty when the message says it, or there is nothing to do.
  std::string advice;
};

struct PartitionReport {
  Partition partition{};
  Level level = Level::kOk;
  /// The next offset as the table has it.
  std::optional<Offset> progress;
  std::optional<Offset> earliest;
  std::optional<Offset> latest;
  /// Offsets before `latest` that are not in the table yet.
  std::optional<std::int64_t> lag;
  std::optional<Offset> group_offset;
  /// Where the service would begin now; nullopt = it would not, or that is not known.
  std::optional<Offset> start;
  /// Why there, or why not.
  std::string reason;
};

struct TableReport {
  enum class State { kNotKnown, kAbsent, kPresent };
  /// Whether the table knows the topic, and as which one.
  enum class Registry { kNotKnown, kAbsent, kSameTopic, kOtherTopic };

  std::string directory;
  State state = State::kNotKnown;
  Registry registry = Registry::kNotKnown;
  std::optional<std::uint64_t> version;
  /// metaData.id; empty when not kPresent.
  std::string id;
};

struct DeadLetterReport {
  std::string directory;
  TableReport::State state = TableReport::State::kNotKnown;
  /// nullopt = not known.
  std::optional<std::uint64_t> rows;
};

struct TopicReport {
  std::string topic;
  /// nullopt = not known.
  std::optional<bool> exists;
  /// Empty = not known.
  std::string id;
  TableReport table;
  DeadLetterReport dead_letters = {};
  std::vector<PartitionReport> partitions;
  /// The sum over the partitions, when all are known.
  std::optional<std::int64_t> lag;
  std::vector<Finding> findings;
};

/// A regular expression of KAFKA_TOPICS.
struct PatternReport {
  std::string pattern;
  /// nullopt = not known.
  std::optional<std::vector<std::string>> topics;
};

struct KafkaReport {
  bool reachable = false;
  std::string cluster_id;
  std::vector<kafka::Broker> brokers;
  std::string group;
  std::string group_state;
  std::string group_assignor;
  std::size_t group_members = 0;
  std::vector<PatternReport> patterns;
  std::vector<Finding> findings;
};

struct StoreReport {
  std::string base_uri;
  /// nullopt = not known.
  std::optional<bool> put_if_absent;
  std::vector<Finding> findings;
};

struct CheckReport {
  std::vector<config::Setting> settings;
  std::vector<Finding> configuration;
  KafkaReport kafka;
  StoreReport store;
  std::vector<TopicReport> topics;
};

/// How many findings are of a level.
[[nodiscard]] std::size_t count_of(const CheckReport& report, Level level);

/// 1 = something is wrong for certain; otherwise 3 = something could not be told; otherwise 0.
[[nodiscard]] int exit_code(const CheckReport& report);

}  // namespace bronze::commands
