#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/extra_columns.h"
#include "base/raw_value.h"

namespace bronze::batch {

/// The partition column: the UTC date of `_ingested_at`.
inline constexpr const char* k_partition_column = "_ingestion_date";

/// The Delta schemaString of a bronze table, byte for byte as Spark writes it.
[[nodiscard]] std::string table_schema(const ExtraColumns& extra = {},
                                       RawValue raw_value = RawValue::kString);

/// The type of `_raw_value`, as the table's schema has it.
[[nodiscard]] std::string_view type_of(RawValue raw_value);

/// The Delta schemaString of a dead-letter table.
[[nodiscard]] std::string dead_letter_schema();
/// How many of its columns the tables of the service that came before have.
inline constexpr std::size_t k_first_dead_letter_columns = 10;

/// The type of an extra column, as the table's schema has it (JSON).
[[nodiscard]] std::string type_of(const ExtraColumn& column);

}  // namespace bronze::batch
