#pragma once

#include <iosfwd>
#include <vector>

#include "commands/check_report.h"
#include "config/config.h"

namespace bronze::commands {

/// For people: a section for the configuration, Kafka, the store and each topic; a line for each
/// finding; the verdict.
void print_text(const CheckReport& report, std::ostream& out);

/// For programs: one JSON object on one line, see docs/check.md. Bytes that are not UTF-8 become
/// the replacement character.
void print_json(const CheckReport& report, std::ostream& out);

/// The same object when the configuration is refused: nothing else was looked at.
void print_json(const std::vector<config::ConfigError>& errors, std::ostream& out);

}  // namespace bronze::commands
