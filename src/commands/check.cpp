#include "commands/check.h"

#include <variant>

#include "commands/check_judgement.h"

namespace bronze::commands {

std::vector<std::string> topics_to_check(const config::KafkaConfig& kafka) { return kafka.topics; }

CheckReport check(const config::Config& config, std::chrono::milliseconds timeout,
                  const LookAtCluster& look_at_cluster, StoreInspector& store) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
  CheckFacts facts{.settings = config::effective_settings(config),
                   .warnings = config.warnings,
                   .bootstrap_servers = config.kafka.bootstrap_servers,
                   .group = config.kafka.consumer_group,
                   .start = config.kafka.start,
                   .start_source = config.kafka.start_source,
                   .policies = config.policies,
                   .base_uri = config.store.base_uri,
                   .timeout = timeout,
                   .topics = topics_to_check(config.kafka),
                   .kafka = {},
                   .store = {}};
  for (const auto& pattern : config.kafka.patterns) {
    facts.warnings.push_back("KAFKA_TOPICS: what " + pattern +
                             " matches is not looked at; name such topics to check them");
  }
  kafka::LookRequest request{.topics = facts.topics, .unix_ms = {}, .timeout = timeout};
  if (const auto* at = std::get_if<StartAtTime>(&config.kafka.start)) request.unix_ms = at->unix_ms;
  facts.kafka = look_at_cluster(request);
  facts.store = store.wait_until(deadline);
  return judge(facts);
}

}  // namespace bronze::commands
