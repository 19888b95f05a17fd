#include "kafka/conf.h"

#include <array>

namespace bronze::kafka {

std::optional<std::string> set_property(rd_kafka_conf_t* conf, const std::string& name,
                                        const std::string& value) {
  std::array<char, 512> error{};
  const auto result =
      rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size());
  return result == RD_KAFKA_CONF_OK ? std::nullopt : std::optional<std::string>(error.data());
}

}  // namespace bronze::kafka
