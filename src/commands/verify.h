#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "commands/verify_facts.h"
#include "commands/verify_reading.h"
#include "commands/verify_report.h"
#include "config/config.h"
#include "delta/table_reader.h"
#include "kafka/cluster_look.h"
#include "kafka/gap_look.h"

namespace bronze::commands {

struct VerifySettings {
  /// Empty = all of KAFKA_TOPICS.
  std::vector<std::string> topics;
  /// How long Kafka may take to answer a question.
  std::chrono::milliseconds timeout{};
  /// How long gaps of one topic are read from Kafka.
  std::chrono::milliseconds gap_timeout{};
  ReadingLimits limits;
};

/// Kafka and the store, as calls that block.
struct VerifyAccess {
  std::function<std::unique_ptr<delta::TableReader>(const std::string& directory)> reader;
  std::function<kafka::ClusterLook(const kafka::LookRequest&)> look;
  std::function<kafka::GapLook(const kafka::GapRequest&)> read_gaps;
};

/// Why a name cannot be that of a topic; empty = it can.
[[nodiscard]] std::string refused_topic(const std::string& topic);

/// `bronze verify`: compares tables with their topics, one after the other. Changes nothing.
[[nodiscard]] VerifyReport verify(const config::Config& config, const VerifySettings& settings,
                                  const VerifyAccess& access, const TellProgress& tell);

}  // namespace bronze::commands
