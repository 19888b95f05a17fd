#pragma once

#include <string>
#include <vector>

namespace bronze::batch {

/// The partition column: the UTC date of `_ingested_at`.
inline constexpr const char* k_partition_column = "_ingestion_date";

/// The Delta schemaString of a bronze table, byte for byte as Spark writes it.
[[nodiscard]] const std::string& table_schema();

}  // namespace bronze::batch
