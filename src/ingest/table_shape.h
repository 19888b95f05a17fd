#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/extra_columns.h"
#include "base/raw_value.h"
#include "delta/table_sink.h"

namespace bronze::ingest {

/// Why files of ours must not be written into such a table; nullopt = they may.
[[nodiscard]] std::optional<std::string> refusal_of(const delta::TableShape& shape);

/// What the table's `_raw_value` holds. REQUIRES: !refusal_of(shape).
[[nodiscard]] RawValue raw_value_of(const delta::TableShape& shape);

/// Why values of that form must not be written into such a table; nullopt = they may.
/// REQUIRES: !refusal_of(shape).
[[nodiscard]] std::optional<std::string> raw_value_refusal(const delta::TableShape& shape,
                                                           RawValue wanted);

/// The properties of a table that is created for such values.
[[nodiscard]] std::map<std::string, std::string> raw_value_properties(RawValue raw_value);

/// What the table has beyond the six columns: it decides what is written.
/// REQUIRES: !refusal_of(shape).
[[nodiscard]] ExtraColumns extra_columns_of(const delta::TableShape& shape);

/// The same as refusal_of for a dead-letter table.
[[nodiscard]] std::optional<std::string> refusal_of_dead_letters(const delta::TableShape& shape);

/// The schema of a dead-letter table that lacks only the last of its columns, with all of them;
/// nullopt = it lacks none, or more than that is wrong with it.
[[nodiscard]] std::optional<std::string> completed_dead_letter_schema(
    const delta::TableShape& shape);

}  // namespace bronze::ingest
