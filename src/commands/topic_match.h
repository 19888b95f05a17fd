#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/config.h"

namespace bronze::commands {

/// What the regular expressions of KAFKA_TOPICS stand for now.
struct TopicMatch {
  /// By pattern, in the order of names; listed topics may be among them.
  std::map<std::string, std::vector<std::string>> of_pattern;
  /// What they add to the listed topics, in the order of names.
  std::vector<std::string> topics;
  /// Those of `topics` that the service would not copy, and why.
  std::map<std::string, std::string> refused;
};

/// `all`: the names of all topics of the cluster.
[[nodiscard]] TopicMatch match_topics(const config::Config& config, std::vector<std::string> all);

}  // namespace bronze::commands
