#pragma once

#include <string>

#include "config/config.h"
#include "config/reader.h"

namespace bronze::config {

/// Reads REDIS_URL and REDIS_CA. What may hold a password is never shown.
[[nodiscard]] RedisConfig read_redis(Reader& reader);

/// The same as of now, if its URL came from a file. Throws std::runtime_error when the file has
/// none.
[[nodiscard]] RedisConfig redis_now(const RedisConfig& redis);

/// The URL in one form, without the password; empty = there is no Redis.
[[nodiscard]] std::string redis_text(const RedisConfig& redis);

}  // namespace bronze::config
