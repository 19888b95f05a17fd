#include "kafka/consumer.h"

#include <spdlog/spdlog.h>

#include <array>
#include <string_view>
#include <utility>

#include "kafka/explanation.h"

namespace bronze::kafka {
namespace {

void log_quietly(int /*level*/, const char* facility, const char* text) {
  spdlog::debug("librdkafka {}: {}", facility, text);
}

void set(rd_kafka_conf_t* conf, const Properties& properties) {
  for (const auto& [name, value] : properties) {
    if (const auto why = set_property(conf, name, value)) {
      throw SettingsRefused("librdkafka refuses the property " + name + ": " + *why);
    }
  }
}

}  // namespace

Properties refused_properties(const SourceSettings& settings) {
  const ConfHandle conf(rd_kafka_conf_new());
  Properties refused;
  for (const auto& [name, value] : settings.properties) {
    if (auto why = set_property(conf.get(), name, value)) {
      refused.emplace_back(name, *std::move(why));
    }
  }
  return refused;
}

Consumer::Consumer(const SourceSettings& settings, const ConsumerOptions& options)
    : properties_(settings.properties),
      log_(options.log ? options.log : log_quietly),
      secrets_(settings.secrets, settings.properties) {
  ConfHandle conf(rd_kafka_conf_new());
  set(conf.get(), options.defaults);
  set(conf.get(), settings.properties);
  set(conf.get(), {{"group.id", settings.group}});
  set(conf.get(), options.fixed);
  rd_kafka_conf_set_events(conf.get(), options.events);
  rd_kafka_conf_set_log_cb(conf.get(), &Consumer::take_log_line);
  rd_kafka_conf_set_opaque(conf.get(), this);
  rd_kafka_conf_set_ssl_cert_verify_cb(conf.get(), &Consumer::take_certificate);
  std::array<char, 512> error{};
  rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), error.data(), error.size());
  if (consumer == nullptr) throw SettingsRefused(error.data());
  static_cast<void>(conf.release());  // rd_kafka_new has taken it
  handle_.reset(consumer);
  rd_kafka_poll_set_consumer(consumer);
  queue_.reset(rd_kafka_queue_get_consumer(consumer));
}

void Consumer::take_log_line(const rd_kafka_t* client, int level, const char* facility,
                             const char* text) {
  constexpr int k_syslog_error = 3;
  auto& self = *static_cast<Consumer*>(rd_kafka_opaque(client));
  if (level > k_syslog_error && std::string_view(facility) == "FAIL") {
    self.notes_.note_quiet_end(text);
  }
  if (std::string_view(facility) == "OIDC" || std::string_view(facility) == "JWT") {
    self.notes_.note_missing_token(text);
  }
  self.log_(level, facility, text);
}

int Consumer::take_certificate(rd_kafka_t*, const char* broker, std::int32_t, int* error, int depth,
                               const char* der, std::size_t der_bytes, char* text,
                               std::size_t text_bytes, void* consumer) {
  auto& self = *static_cast<Consumer*>(consumer);
  const auto refused = self.notes_.note_certificate(broker, *error, depth, {der, der_bytes});
  if (!refused) return 1;
  text[refused->message.copy(text, text_bytes - 1)] = '\0';
  return 0;
}

Trouble Consumer::explain(rd_kafka_resp_err_t code, std::string text) {
  static_cast<void>(notes_.take_quiet_end());
  return kafka::explain(code, std::move(text), properties_, notes_);
}

Trouble Consumer::explain_quiet_end() {
  std::string text = notes_.take_quiet_end();
  if (text.empty()) return {};
  // A broker that stops ends its connections quietly, too.
  auto trouble = explain(RD_KAFKA_RESP_ERR__TRANSPORT, std::move(text));
  return trouble.advice.empty() ? Trouble{} : trouble;
}

}  // namespace bronze::kafka
