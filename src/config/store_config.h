#pragma once

#include "config/config.h"
#include "config/reader.h"

namespace bronze::config {

/// Reads DELTA_BASE_PATH, BRONZE_BUCKET, the S3 endpoint and the AWS_ variables. On a local base
/// path the options stay empty.
[[nodiscard]] StoreConfig read_store_config(Reader& reader);

/// The value of an option of the store; nullopt = not set.
[[nodiscard]] std::optional<std::string> option(const StoreConfig& store, std::string_view key);

}  // namespace bronze::config
