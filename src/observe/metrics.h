#pragma once

#include <string>

#include "observe/observation.h"

namespace bronze::observe {

/// The metrics in Prometheus' text format, version 0.0.4. Series: one a metric, one a topic, one a
/// topic and error type or outcome, and for `bronze_consumer_lag` one a partition that is ours.
[[nodiscard]] std::string metrics_text(const Observation& seen);

}  // namespace bronze::observe
