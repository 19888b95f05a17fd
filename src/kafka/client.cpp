#include "kafka/client.h"

#include <spdlog/spdlog.h>

#include <array>
#include <stdexcept>
#include <string>

namespace bronze::kafka {
namespace {

void log_line(const rd_kafka_t* client, int level, const char* facility, const char* text) {
  constexpr int k_syslog_error = 3;
  const auto severity = level <= k_syslog_error ? spdlog::level::warn : spdlog::level::debug;
  spdlog::log(severity, "librdkafka {} {}: {}", rd_kafka_name(client), facility, text);
}

}  // namespace

ClientHandle make_client(const ClientSettings& settings) {
  ConfHandle conf(rd_kafka_conf_new());
  for (const auto& [name, value] : settings.properties) {
    if (const auto why = set_property(conf.get(), name, value)) {
      throw std::runtime_error("librdkafka refuses the property " + name + ": " + *why);
    }
  }
  rd_kafka_conf_set_log_cb(conf.get(), log_line);
  rd_kafka_conf_set_opaque(conf.get(), settings.opaque);
  if (settings.reports != nullptr) rd_kafka_conf_set_dr_msg_cb(conf.get(), settings.reports);
  std::array<char, 512> error{};
  ClientHandle client(rd_kafka_new(settings.type, conf.get(), error.data(), error.size()));
  if (!client) throw std::runtime_error(std::string("librdkafka: ") + error.data());
  static_cast<void>(conf.release());  // rd_kafka_new has taken it
  return client;
}

}  // namespace bronze::kafka
