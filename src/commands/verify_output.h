#pragma once

#include <iosfwd>
#include <vector>

#include "commands/verify_report.h"
#include "config/config.h"

namespace bronze::commands {

/// For people: a table of partitions and a line for each finding of each topic; the verdict.
void print_text(const VerifyReport& report, std::ostream& out);

/// For programs: one JSON object on one line, see docs/verify.md.
void print_json(const VerifyReport& report, std::ostream& out);

/// The same object when the configuration or the usage is refused.
void print_verify_json(const std::vector<config::ConfigError>& errors, std::ostream& out);

}  // namespace bronze::commands
