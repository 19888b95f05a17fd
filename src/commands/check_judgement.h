#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/raw_value.h"
#include "base/start_policy.h"
#include "commands/check_report.h"
#include "commands/store_inspector.h"
#include "commands/topic_match.h"
#include "config/config.h"
#include "kafka/cluster_look.h"

namespace bronze::commands {

/// Everything that was found out.
struct CheckFacts {
  std::vector<config::Setting> settings;
  /// Of the configuration.
  std::vector<std::string> warnings;
  std::string bootstrap_servers;
  /// Where tokens for the brokers come from; empty = none are used.
  std::string token_url = {};
  std::string group;
  StartPolicy start;
  StartSource start_source = StartSource::kDefault;
  Policies policies = {};
  RawValue raw_value = RawValue::kString;
  std::string base_uri;
  std::chrono::milliseconds timeout{};
  /// Those listed, then those that only patterns match.
  std::vector<std::string> topics;
  std::vector<std::string> patterns;
  /// nullopt = Kafka did not tell its topics. Meaningless without patterns.
  std::optional<TopicMatch> match;
  kafka::ClusterLook kafka;
  StoreLook store;
  /// Why Redis does not answer; empty = it does, nullopt = there is none.
  std::optional<std::string> redis = {};
};

/// What the facts mean for the service, were it started now. Pure.
/// REQUIRES: kafka.topics and store.tables match topics one by one.
[[nodiscard]] CheckReport judge(const CheckFacts& facts);

}  // namespace bronze::commands
