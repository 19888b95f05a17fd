#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "commands/replay_report.h"
#include "commands/replay_topic.h"
#include "config/config.h"
#include "decode/decoder.h"
#include "delta/letter_scan.h"
#include "delta/table_reader.h"
#include "delta/table_sink.h"
#include "kafka/cluster_look.h"

namespace bronze::commands {

/// The arguments of `bronze replay`, as they were given.
struct ReplayArguments {
  /// Names, and regular expressions that begin with `^`; empty = all of KAFKA_TOPICS.
  std::vector<std::string> topics;
  std::vector<std::string> error_types;
  std::string since;
  std::string until;
  /// Negative = all.
  int partition = -1;
  std::string offsets;
  ReplayMode mode = ReplayMode::kWrite;
};

struct ReplaySettings {
  std::vector<std::string> topics;
  std::vector<std::string> patterns;
  /// But for the topic.
  delta::LetterQuery query;
  ReplayMode mode = ReplayMode::kWrite;
  /// How long Kafka may take to say which topics the patterns match.
  std::chrono::milliseconds timeout{10'000};
};

/// What is asked for, or all that is wrong with it.
[[nodiscard]] std::variant<ReplaySettings, std::vector<config::ConfigError>> replay_settings(
    const ReplayArguments& arguments);

/// Kafka and the store, as calls that block; the clock, and how to wait.
struct ReplayAccess {
  std::function<std::unique_ptr<delta::TableReader>(const std::string& directory)> reader;
  std::function<std::unique_ptr<delta::TableSink>(const std::string& directory)> table;
  /// Called only for regular expressions.
  std::function<kafka::ClusterLook(const kafka::LookRequest&)> look;
  /// Throws when the topic's schema cannot be used.
  std::function<std::unique_ptr<decode::Decoder>(const std::string& topic)> decoder;
  const Clock& clock;
  std::function<void(Duration)> sleep;
};

/// `bronze replay`: puts dead letters that are valid now into the main tables, one topic after the
/// other.
[[nodiscard]] ReplayReport replay(const config::Config& config, const ReplaySettings& settings,
                                  const ReplayAccess& access, const TellProgress& tell);

}  // namespace bronze::commands
