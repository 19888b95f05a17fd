#pragma once

#include "config/config.h"
#include "config/reader.h"

namespace bronze::config {

/// Reads every KAFKA_ variable.
[[nodiscard]] KafkaConfig read_kafka_config(Reader& reader);

}  // namespace bronze::config
