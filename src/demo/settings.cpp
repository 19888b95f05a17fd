#include "demo/settings.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <map>
#include <string_view>

#include "demo/events.h"

namespace bronze::demo {
namespace {

std::string topic_list() {
  std::string list;
  for (const auto topic : k_topics) {
    if (!list.empty()) list += ',';
    list += topic;
  }
  return list;
}

}  // namespace

config::EnvLookup demo_environment(const config::EnvLookup& process, const std::string& folder) {
  std::map<std::string, std::string, std::less<>> values = {
      {"KAFKA_TOPICS", topic_list()},
      {"KAFKA_CONSUMER_GROUP", "bronze-demo"},
      {"DELTA_BASE_PATH", folder},
      {"BATCH_INTERVAL_SECONDS", "2"},
      // The in-process Kafka keeps little: a busy topic must not wait for its two seconds.
      {"BATCH_MAX_BYTES", "4194304"},
      {"HTTP_HOST", "127.0.0.1"}};
  if (auto port = process("HTTP_PORT")) values["HTTP_PORT"] = *port;
  return [values = std::move(values)](std::string_view name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

std::string run_name(UnixMicros now) {
  constexpr UnixMicros k_second = 1'000'000;
  return fmt::format("{:%Y%m%d-%H%M%S}", fmt::gmtime(static_cast<std::time_t>(now / k_second)));
}

}  // namespace bronze::demo
