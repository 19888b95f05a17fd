#pragma once

#include "kafka/conf.h"
#include "kafka/handles.h"

namespace bronze::kafka {

/// A librdkafka client of its own settings that logs where the program logs.
/// `reports` gets each delivery report of a producer with `opaque`, in rd_kafka_poll; may be null.
struct ClientSettings {
  rd_kafka_type_t type = RD_KAFKA_CONSUMER;
  Properties properties;
  void (*reports)(rd_kafka_t*, const rd_kafka_message_t*, void* opaque) = nullptr;
  void* opaque = nullptr;
};

/// Throws std::runtime_error when librdkafka refuses the settings.
[[nodiscard]] ClientHandle make_client(const ClientSettings& settings);

}  // namespace bronze::kafka
