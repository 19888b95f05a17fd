#include "kafka/secret_files.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "base/secret_file.h"

namespace bronze::kafka {
namespace {

constexpr std::chrono::seconds k_look_every{1};

}  // namespace

SecretFiles::SecretFiles(const Properties& files, const Properties& properties)
    : look_again_at_(std::chrono::steady_clock::now() + k_look_every) {
  for (const auto& [property, path] : files) {
    const auto begun_with =
        std::find_if(properties.begin(), properties.end(),
                     [&](const auto& entry) { return entry.first == property; });
    if (begun_with == properties.end()) continue;
    files_.push_back({.property = property, .path = path, .secret = begun_with->second});
  }
}

void SecretFiles::renew(rd_kafka_t* client) {
  if (files_.empty()) return;
  const SteadyTime now = std::chrono::steady_clock::now();
  if (now < look_again_at_) return;
  look_again_at_ = now + k_look_every;
  for (File& file : files_) renew(client, file);
}

void SecretFiles::renew(rd_kafka_t* client, File& file) {
  auto read = read_secret_file(file.path);
  if (!read.fault.empty() && read.fault != file.fault) {
    spdlog::warn("{} {}: the secret that it held before stays in use", file.path, read.fault);
  }
  file.fault = std::move(read.fault);
  if (!file.fault.empty() || read.secret == file.secret) return;
  rd_kafka_set_secret(client, file.property.c_str(), read.secret.c_str());
  file.secret = std::move(read.secret);
  spdlog::info("{} has changed: new connections to Kafka use what it holds now", file.path);
}

}  // namespace bronze::kafka
