#pragma once

#include <functional>
#include <optional>

#include "commands/verify_facts.h"
#include "commands/verify_report.h"

namespace bronze::commands {

/// The first range at or after `from` that Kafka must be asked about: offsets that the table should
/// hold, that it does not, and that Kafka could still have. Pure.
[[nodiscard]] std::optional<OffsetRange> next_gap_to_ask(const TopicFacts& facts,
                                                         Partition partition, Offset from);

/// What Kafka has before the first offset that the table shows, when the log no longer says where
/// the service began. One record there is enough to know. Pure.
[[nodiscard]] std::optional<OffsetRange> beginning_to_ask(const TopicFacts& facts,
                                                          Partition partition);

/// Whether Kafka's topic is the one that the table's current rows are of.
[[nodiscard]] bool is_same_topic(const TopicFacts& facts);

/// Whether Kafka tells of progress that the table does not have: the service may have moved on
/// since the table was read. Pure.
[[nodiscard]] bool is_ahead_of_table(const TopicFacts& facts);

/// What the facts mean. Pure.
[[nodiscard]] VerifiedTopic judge(const TopicFacts& facts);

}  // namespace bronze::commands
