#pragma once

#include "commands/verify_facts.h"
#include "commands/verify_reading.h"
#include "delta/table_reader.h"

namespace bronze::commands {

/// Takes one entry of the log into the facts: what it registers, states and skips, and whether the
/// rows that it says it wrote are there. REQUIRES: entries come in the order of their versions,
/// after all rows.
void take_log_entry(const delta::LogEntry& entry, TopicFacts& facts);

/// Reads all entries that the store has.
void read_log(delta::TableReader& table, const TellProgress& tell, TopicFacts& facts);

}  // namespace bronze::commands
