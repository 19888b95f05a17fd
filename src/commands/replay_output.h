#pragma once

#include <iosfwd>
#include <vector>

#include "commands/replay_report.h"
#include "config/config.h"

namespace bronze::commands {

void print_text(const ReplayReport& report, std::ostream& out);
/// One JSON object on one line; see docs/replay.md.
void print_json(const ReplayReport& report, std::ostream& out);
/// The same for a run that could not begin.
void print_replay_json(const std::vector<config::ConfigError>& errors, std::ostream& out);

}  // namespace bronze::commands
