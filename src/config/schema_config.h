#pragma once

#include <functional>
#include <map>
#include <string>

#include "config/config.h"
#include "config/reader.h"

namespace bronze::config {

/// RAW_VALUE.
[[nodiscard]] RawValue read_raw_value(Reader& reader);

/// SCHEMA_REGISTRY_*.
[[nodiscard]] RegistryConfig read_registry(Reader& reader);

/// What the registry, the checks and the folder of schemas mean for each other.
void settle_registry(Reader& reader, Config& config);

/// PROTOBUF_MESSAGES.
[[nodiscard]] std::map<std::string, std::string, std::less<>> read_protobuf_messages(
    Reader& reader);

/// `topic=package.Message,...`
[[nodiscard]] std::string protobuf_messages_text(const Config& config);

}  // namespace bronze::config
