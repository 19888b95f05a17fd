#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "commands/output_format.h"
#include "config/config.h"

namespace bronze {

struct VerifyOptions {
  commands::OutputFormat format = commands::OutputFormat::kText;
  /// Empty = all of KAFKA_TOPICS.
  std::vector<std::string> topics;
  /// How long Kafka may take to answer a question.
  std::chrono::milliseconds timeout{10'000};
  /// How long gaps of one topic are read from Kafka.
  std::chrono::milliseconds gap_timeout{600'000};
  /// For the offsets of one topic.
  std::uint64_t memory_mb = 512;
};

/// What is wrong with the arguments; the configuration is another matter.
[[nodiscard]] std::vector<config::ConfigError> refused_options(const VerifyOptions& options);

/// `bronze verify`: builds the parts and owns them in the order of destruction.
class VerifyApp {
 public:
  /// Throws std::exception when a library refuses the settings.
  /// REQUIRES: refused_settings(config) and refused_options(options) are empty.
  VerifyApp(const config::Config& config, VerifyOptions options);
  ~VerifyApp();
  VerifyApp(const VerifyApp&) = delete;
  VerifyApp& operator=(const VerifyApp&) = delete;

  /// Compares, writes the report to `out` and progress to `err`, returns the exit code. Call once.
  [[nodiscard]] int run(std::ostream& out, std::ostream& err);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace bronze
