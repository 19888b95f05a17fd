#pragma once

#include <chrono>
#include <iosfwd>
#include <memory>

#include "commands/output_format.h"
#include "config/config.h"

namespace bronze {

struct CheckOptions {
  commands::OutputFormat format = commands::OutputFormat::kText;
  /// How long Kafka and the store may take to answer.
  std::chrono::milliseconds timeout{10'000};
};

/// `bronze check`: builds the parts and owns them in the order of destruction. The destructor
/// waits for store calls that are still under way.
class CheckApp {
 public:
  /// Throws kafka::SettingsRefused. REQUIRES: refused_settings(config) is empty.
  CheckApp(const config::Config& config, CheckOptions options);
  ~CheckApp();
  CheckApp(const CheckApp&) = delete;
  CheckApp& operator=(const CheckApp&) = delete;

  /// Looks, writes the report to `out`, returns the exit code. Call once.
  [[nodiscard]] int run(std::ostream& out);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace bronze
