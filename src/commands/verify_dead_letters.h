#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "commands/verify_facts.h"
#include "commands/verify_report.h"

namespace bronze::commands {

/// What judging one partition's dead letters needs to know beside its facts.
struct DeadLetterContext {
  /// Whether the table knows the topic.
  bool registered = false;
  /// Whether all rows and dead letters could be read.
  bool rows_are_known = false;
  /// Of the offsets that both tables have: those that another program wrote, and those that this
  /// service did for certain.
  std::uint64_t both_of_others = 0;
  std::uint64_t both_of_ours = 0;
};

/// A finding of a partition: its level, its code, its message.
struct DeadLetterFinding {
  Level level = Level::kOk;
  const char* code = "";
  std::string message;
};

/// Offsets that both tables have, beyond those that were replayed. Pure.
[[nodiscard]] std::uint64_t both_without_replay(const PartitionFacts& facts);

/// Whether dead letters, replayed rows and the two tables' progress go together. Pure.
///
/// A record is in the table or in its dead letters; in both only when it was replayed, and the
/// table counts how many were. Dead letters are committed before the rows around them: those at or
/// after the table's progress are not compared with it yet.
[[nodiscard]] std::vector<DeadLetterFinding> judge_dead_letters(const PartitionFacts& facts,
                                                                const DeadLetterContext& context);

}  // namespace bronze::commands
