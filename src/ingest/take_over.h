#pragma once

#include <optional>

#include "ingest/resolve.h"

namespace bronze::ingest {

/// The first numbers of a topic that the table does not know. A table without data files begins
/// where KAFKA_START says. One with rows of another program is taken over: each partition begins
/// after the greater of the group's offset and the last offset in the table. Pure.
[[nodiscard]] Resolution first_numbers(const StartFacts& facts);

/// The numbers of a known topic once another program, such as the original service, has written
/// to the table and worked in the group since: without them its rows would be written twice.
/// nullopt: nobody has. Each partition is judged by its own rows and its own group offset: both
/// must lie behind our progress. An offset without rows moves nothing, for whoever resets a group's
/// offsets writes nothing; rows without an offset halt the topic. Pure.
[[nodiscard]] std::optional<Resolution> numbers_after_others(const StartFacts& facts);

/// Whether an offset of the group that is not ours lies ahead of the table's progress: somebody
/// else worked in the group, or reset its offsets.
[[nodiscard]] bool others_moved_the_group(const StartFacts& facts);

/// For `TableSink::last_offsets`: rows before these do not matter.
[[nodiscard]] OffsetMap offsets_that_matter(const StartFacts& facts);

}  // namespace bronze::ingest
