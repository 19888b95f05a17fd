#include "observe/health.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

namespace bronze::observe {
namespace {

/// Hundreds of stopped partitions would bury the answer.
constexpr std::size_t k_reasons_max = 50;

std::int64_t whole_seconds(Duration age) {
  return std::chrono::duration_cast<std::chrono::seconds>(age).count();
}

/// `2024-01-15T10:30:00+00:00`
std::string iso_time(UnixMicros micros) {
  using namespace std::chrono;
  const auto second = floor<seconds>(sys_time<microseconds>{microseconds{micros}});
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}+00:00", fmt::gmtime(system_clock::to_time_t(second)));
}

void judge_loop(const HealthInputs& in, Duration limit, std::vector<std::string>& reasons) {
  const Duration still = in.now - in.last_loop_turn.value_or(in.started);
  if (still > limit) {
    reasons.push_back(
        fmt::format("the polling loop has not turned for {} s", whole_seconds(still)));
  }
}

void judge_brokers(const HealthInputs& in, Duration limit, std::vector<std::string>& reasons) {
  if (!in.brokers_unreachable_since) return;
  const Duration away = in.now - *in.brokers_unreachable_since;
  if (away > limit) {
    reasons.push_back(fmt::format("no broker has been reachable for {} s{}{}", whole_seconds(away),
                                  in.brokers_trouble.empty() ? "" : ": ", in.brokers_trouble));
  }
}

void judge_topics(const HealthInputs& in, Duration limit, std::vector<std::string>& reasons) {
  for (const TopicHealth& topic : in.topics) {
    if (!topic.has_received_records || !topic.due_at) continue;
    const SteadyTime since = std::max(*topic.due_at, topic.last_write.value_or(*topic.due_at));
    const Duration late = in.now - since;
    if (late > limit) {
      reasons.push_back(
          fmt::format("topic {} holds records, and no write of it has succeeded for"
                      " {} s after they were due",
                      topic.name, whole_seconds(late)));
    }
  }
}

void judge_schemas(const HealthInputs& in, Duration limit, std::vector<std::string>& reasons) {
  for (const TopicHealth& topic : in.topics) {
    if (!topic.schema_awaited_since) continue;
    const Duration waited = in.now - *topic.schema_awaited_since;
    if (waited > limit) {
      reasons.push_back(fmt::format(
          "topic {} has waited for a schema for {} s: the schema registry does not give it",
          topic.name, whole_seconds(waited)));
    }
  }
}

void judge_idleness(const HealthInputs& in, Duration limit, std::vector<std::string>& reasons) {
  const Duration idle = in.now - in.last_write.value_or(in.started);
  if (idle > limit) {
    reasons.push_back(fmt::format("no successful write for {} s", whole_seconds(idle)));
  }
}

std::string body_of(const HealthInputs& in, const Health& health) {
  using Json = nlohmann::ordered_json;
  const Json body = {
      {"status", health.healthy ? "healthy" : "unhealthy"},
      {"last_write", in.last_write_at ? Json(iso_time(*in.last_write_at)) : Json(nullptr)},
      {"messages_written", in.messages_written},
      {"errors", in.errors},
      {"dlq_messages", in.dlq_messages},
      {"reasons", health.reasons},
  };
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Health evaluate_health(const HealthInputs& inputs, const config::HealthConfig& rules) {
  Health health;
  judge_loop(inputs, rules.max_write_age, health.reasons);
  judge_brokers(inputs, rules.max_write_age, health.reasons);
  if (!inputs.group_denied.empty()) health.reasons.push_back(inputs.group_denied);
  judge_topics(inputs, rules.max_write_age, health.reasons);
  judge_schemas(inputs, rules.max_write_age, health.reasons);
  if (rules.when_idle == config::IdleHealth::kUnhealthy) {
    judge_idleness(inputs, rules.max_write_age, health.reasons);
  }
  for (const StoppedPartition& stopped : inputs.stopped) {
    health.reasons.push_back(fmt::format("partition {} of topic {} is stopped: {}",
                                         stopped.partition, stopped.topic, stopped.reason));
  }
  for (const auto& [topic, reason] : inputs.refused) {
    health.reasons.push_back(fmt::format("topic {} is not copied: {}", topic, reason));
  }
  if (health.reasons.size() > k_reasons_max) {
    const std::size_t hidden = health.reasons.size() - k_reasons_max;
    health.reasons.resize(k_reasons_max);
    health.reasons.push_back(fmt::format("and {} more", hidden));
  }
  health.healthy = health.reasons.empty();
  health.body = body_of(inputs, health);
  return health;
}

}  // namespace bronze::observe
