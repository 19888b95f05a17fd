#pragma once

#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/event_log.h"
#include "cache/redis_server.h"
#include "config/config.h"
#include "delta/delta_store.h"
#include "ingest/ingest.h"
#include "kafka/rd_kafka_source.h"

namespace bronze {

/// What only the libraries can judge of a configuration.
[[nodiscard]] std::vector<config::ConfigError> refused_settings(const config::Config& config);

[[nodiscard]] kafka::SourceSettings source_settings(const config::Config& config);
[[nodiscard]] delta::StoreSettings store_settings(const config::Config& config);
/// REQUIRES: there is a Redis.
[[nodiscard]] cache::RedisServer::Settings redis_settings(const config::RedisConfig& config);

/// The service: builds the parts and owns them in the order of destruction.
class App {
 public:
  /// `clock` and `log` outlive the app.
  App(const config::Config& config, ingest::RunMode mode, const Clock& clock, EventLog& log);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  /// Runs until the end, on the calling thread.
  [[nodiscard]] ingest::IngestEnd run();
  /// From any thread.
  void request_stop();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace bronze
