#pragma once

#include <librdkafka/rdkafka.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bronze::kafka {

/// Of librdkafka, in order; a later one overrides.
using Properties = std::vector<std::pair<std::string, std::string>>;

/// Sets one property; why librdkafka refuses it, nullopt = it does not.
[[nodiscard]] std::optional<std::string> set_property(rd_kafka_conf_t* conf,
                                                      const std::string& name,
                                                      const std::string& value);

}  // namespace bronze::kafka
