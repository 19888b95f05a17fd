#include "kafka/secret_files.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

namespace bronze::kafka {
namespace {

constexpr std::chrono::seconds k_look_every{1};

/// librdkafka knows two names for some.
std::string own_name(std::string property) {
  constexpr std::string_view k_other = "sasl.oauthbearer.client.credentials.";
  if (property.starts_with(k_other)) property.replace(0, k_other.size(), "sasl.oauthbearer.");
  return property;
}

}  // namespace

SecretFiles::SecretFiles(const std::vector<SecretSource>& sources, const Properties& properties)
    : look_again_at_(std::chrono::steady_clock::now() + k_look_every) {
  for (const SecretSource& source : sources) {
    const auto begun_with =
        std::find_if(properties.begin(), properties.end(),
                     [&](const auto& entry) { return entry.first == source.property; });
    if (begun_with == properties.end()) continue;
    secrets_.push_back(
        {.source = source, .file = SecretFile(source.path, ""), .value = begun_with->second});
  }
}

void SecretFiles::renew(rd_kafka_t* client) {
  if (secrets_.empty()) return;
  const SteadyTime now = std::chrono::steady_clock::now();
  if (now < look_again_at_) return;
  look_again_at_ = now + k_look_every;
  for (Secret& secret : secrets_) renew(client, secret);
}

void SecretFiles::renew(rd_kafka_t* client, Secret& secret) {
  const auto& [property, path, find] = secret.source;
  if (!secret.file.renew()) return;
  const std::string& text = secret.file.secret();
  std::string value = find ? find(text) : text;
  if (value.empty()) {
    spdlog::warn("{} no longer holds {}: its former value stays in use", path, property);
  } else if (value != secret.value) {
    rd_kafka_set_secret(client, own_name(property).c_str(), value.c_str());
    secret.value = std::move(value);
    spdlog::info("{} has changed: new connections to Kafka use what it holds now", path);
  }
}

}  // namespace bronze::kafka
