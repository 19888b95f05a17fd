#include "check_app.h"

#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "app.h"
#include "cache/redis_server.h"
#include "commands/check.h"
#include "commands/check_output.h"
#include "commands/store_inspector.h"
#include "delta/delta_store.h"
#include "kafka/cluster_inspector.h"

namespace bronze {
namespace {

commands::StoreAccess access_to(const delta::DeltaStore& store) {
  return {.probe = [&store] { return store.probe(); },
          .table = [&store](const std::string& directory) { return store.table(directory); },
          .totals = [&store](const std::string& directory) { return store.totals(directory); }};
}

/// For a store whose settings the store library refuses.
commands::StoreAccess access_refused(const std::string& why) {
  return {.probe =
              [why] {
                return delta::StoreOutcome{delta::StoreStatus::kFailed, why};
              },
          .table = [why](const std::string&) -> std::unique_ptr<delta::TableSink> {
            throw std::runtime_error(why);
          }};
}

/// On a thread of its own, which is not waited for: a name server may take its time.
commands::RedisAnswer ping(const config::RedisConfig& redis) {
  if (!redis.is_given()) return {};
  std::packaged_task<std::string()> task(
      [settings = redis_settings(redis)] { return cache::RedisServer(settings).ping(); });
  auto answer = task.get_future();
  std::thread(std::move(task)).detach();
  return answer;
}

}  // namespace

struct CheckApp::Parts {
  Parts(const config::Config& configuration, CheckOptions check_options)
      : config(configuration), options(check_options), cluster(source_settings(configuration)) {}

  const config::Config& config;
  const CheckOptions options;
  kafka::ClusterInspector cluster;
  std::unique_ptr<delta::DeltaStore> store;
  std::optional<commands::StoreInspector> inspector;
};

CheckApp::CheckApp(const config::Config& config, CheckOptions options)
    : parts_(std::make_unique<Parts>(config, options)) {}

CheckApp::~CheckApp() = default;

int CheckApp::run(std::ostream& out) {
  Parts& parts = *parts_;
  commands::StoreAccess access;
  try {
    parts.store = std::make_unique<delta::DeltaStore>(store_settings(parts.config));
    access = access_to(*parts.store);
  } catch (const std::exception& refused) {
    access = access_refused(refused.what());
  }
  parts.inspector.emplace(std::move(access), parts.config.kafka.consumer_group);
  const auto report = commands::check(
      parts.config, parts.options.timeout,
      [&parts](const kafka::LookRequest& request) { return parts.cluster.look(request); },
      *parts.inspector, ping(parts.config.redis));
  if (parts.options.format == commands::OutputFormat::kJson) {
    commands::print_json(report, out);
  } else {
    commands::print_text(report, out);
  }
  out.flush();
  return commands::exit_code(report);
}

}  // namespace bronze
