#include "observe/observation.h"

#include <fmt/format.h>

#include <algorithm>

namespace bronze::observe {
namespace {

/// Kafka is asked for its topics every ten seconds at the latest.
constexpr std::chrono::seconds k_kafka_silence_max{25};
constexpr std::chrono::seconds k_store_silence_max{5};
/// The loop turns many times a second.
constexpr std::chrono::seconds k_loop_silence_max{30};
constexpr std::chrono::seconds k_rates_over_min{60};

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

bool kafka_answers(const Observation& seen) {
  const auto last = seen.report.last_broker_answer;
  return last && seen.now - *last <= k_kafka_silence_max;
}

bool store_answers(const Observation& seen) {
  return seen.report.store_trouble.empty() &&
         seen.store.unanswered.value_or(std::chrono::milliseconds(0)) <= k_store_silence_max;
}

Judgement judge_live(const Observation& seen) {
  Judgement live;
  const Duration still = seen.now - seen.report.last_turn;
  if (still > k_loop_silence_max) {
    live.reasons.push_back(
        fmt::format("the polling loop has not turned for {:.0f} s: restart", seconds(still)));
  }
  live.holds = live.reasons.empty();
  return live;
}

Judgement judge_ready(const Observation& seen) {
  Judgement ready{.holds = true, .reasons = seen.health.reasons};
  auto& reasons = ready.reasons;
  if (!seen.report.store_trouble.empty()) {
    reasons.push_back(fmt::format("the store at {} cannot be used: {}", seen.facts.store,
                                  seen.report.store_trouble));
  } else if (!store_answers(seen)) {
    reasons.push_back(fmt::format("the store at {} has not answered a request for {:.0f} s",
                                  seen.facts.store, seconds(*seen.store.unanswered)));
  }
  if (!kafka_answers(seen)) {
    reasons.push_back(fmt::format("no answer from Kafka at {}{}{}", seen.facts.kafka,
                                  seen.report.kafka_trouble.empty() ? "" : ": ",
                                  seen.report.kafka_trouble));
  }
  if (!seen.report.group_trouble.empty()) {
    if (!seen.report.group_denied) reasons.push_back(seen.report.group_trouble);
  } else if (!seen.report.assigned) {
    reasons.emplace_back(seen.report.rebalances == 0
                             ? "no partitions have been assigned yet"
                             : "the consumer group took the partitions away and has assigned none "
                               "since");
  }
  for (const auto& lane : seen.report.lanes) {
    if (!lane.trouble.empty()) {
      reasons.push_back(fmt::format("topic {}: {}", lane.topic, lane.trouble));
    } else if (lane.failures > 0) {
      reasons.push_back(
          fmt::format("topic {}: the last {} tries to write failed", lane.topic, lane.failures));
    }
  }
  ready.holds = reasons.empty();
  return ready;
}

std::size_t count_of(const ingest::LaneReport& lane, ingest::PartitionActivity activity) {
  return static_cast<std::size_t>(
      std::count_if(lane.partitions.begin(), lane.partitions.end(),
                    [&](const auto& entry) { return entry.second.activity == activity; }));
}

std::size_t count_of(const std::vector<ingest::LaneReport>& lanes,
                     ingest::PartitionActivity activity) {
  std::size_t count = 0;
  for (const auto& lane : lanes) count += count_of(lane, activity);
  return count;
}

std::size_t assigned_of(const std::vector<ingest::LaneReport>& lanes) {
  std::size_t assigned = 0;
  for (const auto& lane : lanes) assigned += lane.partitions.size();
  return assigned;
}

std::optional<std::int64_t> lag_of(const ingest::LaneReport& lane) {
  std::int64_t sum = 0;
  for (const auto& [partition, report] : lane.partitions) {
    const auto lag = report.lag();
    if (!lag) return std::nullopt;
    sum += *lag;
  }
  return sum;
}

std::optional<std::int64_t> lag_of(const std::vector<ingest::LaneReport>& lanes) {
  std::int64_t sum = 0;
  for (const auto& lane : lanes) {
    const auto lag = lag_of(lane);
    if (!lag) return std::nullopt;
    sum += *lag;
  }
  return sum;
}

std::optional<double> lag_seconds_of(const ingest::LaneReport& lane, UnixMicros wall) {
  std::optional<double> oldest;
  bool all_known = true;
  for (const auto& [partition, report] : lane.partitions) {
    const auto lag = report.lag();
    if (lag == 0) continue;
    if (lag && report.last_timestamp) {
      const double age = static_cast<double>(wall - *report.last_timestamp) / 1e6;
      oldest = std::max(oldest.value_or(0), age);
    } else {
      all_known = false;
    }
  }
  return oldest || !all_known ? oldest : 0;
}

std::optional<Duration> loses_data_in(const ingest::LaneReport& lane) {
  std::optional<Duration> soonest;
  for (const auto& [partition, report] : lane.partitions) {
    if (!report.loses_data_in) continue;
    soonest = std::min(soonest.value_or(*report.loses_data_in), *report.loses_data_in);
  }
  return soonest;
}

std::optional<Rates> rates_of(const Observation& seen) {
  const auto& steps = seen.history.steps;
  if (steps.empty()) return std::nullopt;
  const Duration wanted = std::max<Duration>(k_rates_over_min, 2 * seen.facts.batch_interval);
  const std::size_t count = std::min(History::steps_in(wanted), steps.size());
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  for (std::size_t i = steps.size() - count; i < steps.size(); ++i) {
    rows += steps[i].rows;
    bytes += steps[i].bytes;
  }
  const std::chrono::seconds over = History::k_step * static_cast<std::int64_t>(count);
  const auto rate = [&](std::uint64_t sum) {
    return static_cast<double>(sum) / static_cast<double>(over.count());
  };
  return Rates{.over = over, .rows_per_second = rate(rows), .bytes_per_second = rate(bytes)};
}

}  // namespace bronze::observe
