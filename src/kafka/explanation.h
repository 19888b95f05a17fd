#pragma once

#include <librdkafka/rdkafka.h>

#include <string>

#include "kafka/cluster_look.h"
#include "kafka/conf.h"
#include "kafka/connection_notes.h"

namespace bronze::kafka {

/// Why a client gets no connection or no right, with what to mend. `text` is librdkafka's,
/// `properties` are those that the client began with.
[[nodiscard]] Trouble explain(rd_kafka_resp_err_t code, std::string text,
                              const Properties& properties, const ConnectionNotes& notes);

}  // namespace bronze::kafka
