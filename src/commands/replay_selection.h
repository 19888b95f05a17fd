#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/ids.h"
#include "base/offset_set.h"
#include "base/table_columns.h"
#include "commands/replay_report.h"
#include "delta/letter_scan.h"

namespace bronze::commands {

using OffsetSets = std::map<Partition, OffsetSet>;

[[nodiscard]] bool contains(const OffsetSets& sets, Partition partition, Offset offset);
/// Returns whether it was not there.
bool insert(OffsetSets& sets, Partition partition, Offset offset);

/// What the main table says of which letters may be replayed.
struct ReplayScope {
  /// The topic's identity, as txns spell it; empty = the table knows none under the group.
  std::string identity;
  /// Letters of this topic were ingested from then on.
  UnixMicros since = 0;
  /// The next offset of each partition, by the table's txns.
  OffsetMap progress;
  /// Offsets of dead letters that the table has rows of.
  OffsetSets held;
};

/// Why a letter is not replayed, whatever its value is; nullopt = nothing speaks against it. Pure.
[[nodiscard]] std::optional<Fate> fate_of(const delta::DeadLetter& letter,
                                          const ReplayScope& scope);

/// What was sent is not known.
struct BytesNotKept {};
/// The value as it was sent; nullopt = a tombstone. The view is the letter's.
using OriginalValue = std::variant<std::optional<std::string_view>, BytesNotKept>;

/// Pure. `columns`: those of the main table, for which all must have been kept as well.
[[nodiscard]] OriginalValue original_value(const delta::DeadLetter& letter,
                                           const TableColumns& columns);

}  // namespace bronze::commands
