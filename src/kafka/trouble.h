#pragma once

#include <librdkafka/rdkafka.h>

#include "kafka/cluster_look.h"

namespace bronze::kafka {

/// What can be done about an error. What brokers say while leaders and coordinators move is
/// kUnreachable.
[[nodiscard]] Trouble::Kind kind_of(rd_kafka_resp_err_t code);

}  // namespace bronze::kafka
