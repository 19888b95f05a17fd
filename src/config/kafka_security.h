#pragma once

#include "config/config.h"
#include "config/reader.h"

namespace bronze::config {

/// KAFKA_SECURITY_PROTOCOL, KAFKA_SASL_* and KAFKA_SSL_*. REQUIRES: `kafka.extra` has been read;
/// what it says too is refused.
void read_kafka_security(Reader& reader, KafkaConfig& kafka);

/// The same as librdkafka's properties.
[[nodiscard]] Properties security_properties(const KafkaConfig& kafka);

}  // namespace bronze::config
