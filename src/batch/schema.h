#pragma once

#include <string>

#include "base/extra_columns.h"

namespace bronze::batch {

/// The partition column: the UTC date of `_ingested_at`.
inline constexpr const char* k_partition_column = "_ingestion_date";

/// The Delta schemaString of a bronze table, byte for byte as Spark writes it.
[[nodiscard]] std::string table_schema(const ExtraColumns& extra = {});

/// The type of an extra column, as the table's schema has it (JSON).
[[nodiscard]] std::string type_of(const ExtraColumn& column);

}  // namespace bronze::batch
