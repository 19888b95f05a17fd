#pragma once

#include <string>

#include "base/parquet_compression.h"
#include "config/reader.h"

namespace bronze::config {

/// PARQUET_COMPRESSION.
[[nodiscard]] ParquetCompression read_compression(Reader& reader);

/// `zstd:1`, `snappy`
[[nodiscard]] std::string compression_text(const ParquetCompression& compression);

}  // namespace bronze::config
