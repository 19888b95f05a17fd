#pragma once

#include <string>
#include <string_view>

#include "config/config.h"
#include "config/reader.h"

namespace bronze::config {

/// KAFKA_PROPERTIES: one `key=value` a line or separated by `;`, spaces around keys and values
/// dropped. Refuses what another variable sets and what would break the guarantees. Values never
/// appear in errors, since any of them may be a secret; nor do names that may be a part of one.
[[nodiscard]] Properties read_kafka_properties(Reader& reader);

/// What to say of an entry of KAFKA_PROPERTIES that librdkafka refuses for this reason.
[[nodiscard]] std::string property_refusal(const Properties& entries, const std::string& name,
                                           const std::string& reason);

/// The value of a property in text of that form; empty = there is none.
[[nodiscard]] std::string property_in(std::string_view text, std::string_view key);

/// The property holds a password, key or token, or is unknown but named like one.
[[nodiscard]] bool is_secret_property(std::string_view key);

/// `key=value;key=***`
[[nodiscard]] std::string masked(const Properties& properties);

}  // namespace bronze::config
