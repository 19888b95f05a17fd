#pragma once

#include <iosfwd>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "commands/output_format.h"
#include "commands/replay.h"
#include "config/config.h"

namespace bronze {

struct ReplayOptions {
  commands::OutputFormat format = commands::OutputFormat::kText;
  commands::ReplayArguments arguments;
};

/// `bronze replay`: builds the parts and owns them in the order of destruction.
class ReplayApp {
 public:
  /// Throws std::exception when a library refuses the settings. `clock` outlives the app.
  /// REQUIRES: refused_settings(config) is empty.
  ReplayApp(const config::Config& config, commands::ReplaySettings settings,
            commands::OutputFormat format, const Clock& clock);
  ~ReplayApp();
  ReplayApp(const ReplayApp&) = delete;
  ReplayApp& operator=(const ReplayApp&) = delete;

  /// Replays, writes the report to `out` and progress to `err`, returns the exit code. Call once.
  [[nodiscard]] int run(std::ostream& out, std::ostream& err);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace bronze
