#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "commands/verify_facts.h"
#include "delta/table_reader.h"

namespace bronze::commands {

/// Is told now and then how far things are.
using TellProgress = std::function<void(const std::string& what)>;

/// How much memory the offsets of one topic may take, in bytes.
struct ReadingLimits {
  std::uint64_t offsets_bytes_max = 0;
};

/// Fills `facts.epochs`, `registered` and `other_groups` from the table's txns: identities,
/// progress, epochs. Pure.
void read_txns(const delta::TxnMap& txns, TopicFacts& facts);

/// Fills in how far the dead letters are, from the txns of their table. Pure.
void read_dead_letter_txns(const delta::TxnMap& txns, TopicFacts& facts);

/// Why the two Kafka columns of such a table cannot be read; empty = they can.
[[nodiscard]] std::string why_unreadable(const delta::TableShape& shape);

/// Reads the table, its dead letters and its log into `facts`, whose `topic` and `group` are set.
/// Blocks for as long as that takes.
void read_tables(delta::TableReader& table, delta::TableReader& dead_letters,
                 const ReadingLimits& limits, const TellProgress& tell, TopicFacts& facts);

}  // namespace bronze::commands
