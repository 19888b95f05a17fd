#include "commands/check.h"

#include <string>
#include <variant>
#include <vector>

#include "commands/check_judgement.h"
#include "commands/topic_match.h"

namespace bronze::commands {

namespace {

std::string token_url(const config::KafkaConfig& kafka) {
  if (kafka.sasl_mechanism != "OAUTHBEARER") return {};
  std::string url = kafka.oauth.token_url;
  for (const auto& [name, value] : kafka.extra) {
    if (name == "sasl.oauthbearer.token.endpoint.url") url = value;
  }
  return url;
}

}  // namespace

CheckReport check(const config::Config& config, std::chrono::milliseconds timeout,
                  const LookAtCluster& look_at_cluster, StoreInspector& store, RedisAnswer redis) {
  const SteadyTime deadline = std::chrono::steady_clock::now() + timeout;
  CheckFacts facts{.settings = config::effective_settings(config),
                   .warnings = config.warnings,
                   .bootstrap_servers = config.kafka.bootstrap_servers,
                   .token_url = token_url(config.kafka),
                   .group = config.kafka.consumer_group,
                   .start = config.kafka.start,
                   .start_source = config.kafka.start_source,
                   .policies = config.policies,
                   .raw_value = config.raw_value,
                   .base_uri = config.store.base_uri,
                   .timeout = timeout,
                   .topics = config.kafka.topics,
                   .patterns = config.kafka.patterns,
                   .match = {},
                   .kafka = {},
                   .store = {}};
  store.look_at(config.kafka.topics);
  kafka::LookRequest request{
      .topics = config.kafka.topics, .more_topics = {}, .unix_ms = {}, .timeout = timeout};
  if (!config.kafka.patterns.empty()) {
    request.more_topics = [&](const std::vector<std::string>& all) {
      facts.match = match_topics(config, all);
      facts.topics.insert(facts.topics.end(), facts.match->topics.begin(),
                          facts.match->topics.end());
      store.look_at(facts.match->topics);
      return facts.match->topics;
    };
  }
  if (const auto* at = std::get_if<StartAtTime>(&config.kafka.start)) request.unix_ms = at->unix_ms;
  facts.kafka = look_at_cluster(request);
  facts.store = store.wait_until(deadline);
  if (redis.valid()) {
    const bool answered = redis.wait_until(deadline) == std::future_status::ready;
    facts.redis = answered ? redis.get() : "no answer";
  }
  return judge(facts);
}

}  // namespace bronze::commands
