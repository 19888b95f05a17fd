#include "service_pages.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "observe/health.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/status.h"
#include "page.h"
#include "version.h"

namespace bronze {
namespace {

using observe::Page;

constexpr const char* k_json = "application/json";

observe::HealthInputs health_inputs(const ingest::IngestReport& report, SteadyTime now) {
  const ingest::LaneTotals totals = report.totals();
  observe::HealthInputs inputs{
      .now = now,
      .started = report.started_at,
      .last_loop_turn = report.last_turn,
      .brokers_unreachable_since = report.last_broker_answer.value_or(report.started_at),
      .brokers_trouble = report.kafka_trouble,
      .group_denied = report.group_denied ? report.group_trouble : "",
      .topics = {},
      .stopped = {},
      .last_write = totals.last_write,
      .last_write_at = report.last_write,
      .messages_written = totals.rows_committed,
      .errors = 0,
      .dlq_messages = totals.dead_letters.count};
  for (const auto& lane : report.lanes) {
    inputs.topics.push_back({.name = lane.topic,
                             .has_received_records = lane.oldest_due.has_value(),
                             .due_at = lane.oldest_due,
                             .last_write = lane.last_write,
                             .schema_awaited_since = lane.schema_awaited_since});
    for (const auto& [partition, reason] : lane.halted) {
      inputs.stopped.push_back({lane.topic, number(partition), reason});
    }
    if (!lane.denied.empty()) inputs.refused.emplace_back(lane.topic, lane.denied);
    inputs.errors += lane.failures;
  }
  for (const auto& [topic, refused] : report.refused) {
    inputs.refused.emplace_back(topic, refused.reason);
  }
  return inputs;
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  statm >> size >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

Page verdict_page(const char* name, const observe::Judgement& judgement) {
  const nlohmann::ordered_json body = {{name, judgement.holds}, {"reasons", judgement.reasons}};
  return {.status = judgement.holds ? 200 : 503,
          .content_type = k_json,
          .body = body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)};
}

}  // namespace

ServicePages::ServicePages(const config::Config& config, const ingest::ReportBoard& board,
                           const Clock& clock)
    : facts_{.version = k_version,
             .started_at = clock.wall(),
             .consumer_group = config.kafka.consumer_group,
             .kafka = config.kafka.bootstrap_servers,
             .store = config.store.base_uri,
             .memory_budget_bytes = config.memory_limit_bytes,
             .batch_interval = config.batch.interval},
      health_rules_(config.health),
      board_(board),
      clock_(clock) {}

void ServicePages::set_pulse(Pulse pulse) {
  const std::lock_guard lock(mutex_);
  pulse_ = std::move(pulse);
}

void ServicePages::set_cache(Cache cache) {
  const std::lock_guard lock(mutex_);
  cache_ = std::move(cache);
}

void ServicePages::note(const ingest::IngestReport& report) {
  const ingest::LaneTotals totals = report.totals();
  history_.note({.rows_committed = totals.rows_committed,
                 .bytes_committed = totals.bytes_committed,
                 .lag = observe::lag_of(report.lanes)},
                clock_.now(), clock_.wall());
}

observe::Observation ServicePages::look() const {
  observe::Observation seen{.facts = facts_,
                            .report = board_.latest(),
                            .store = {},
                            .cache = {},
                            .health = {},
                            .history = history_.steps(),
                            .troubles = observe::recent_troubles(),
                            .resident_bytes = resident_bytes(),
                            .now = clock_.now(),
                            .wall = clock_.wall()};
  seen.health = observe::evaluate_health(health_inputs(seen.report, seen.now), health_rules_);
  const std::lock_guard lock(mutex_);
  if (pulse_) seen.store = pulse_();
  if (cache_) seen.cache = cache_();
  return seen;
}

Page ServicePages::status_page(observe::StatusDetail detail) const {
  return {.content_type = k_json, .body = observe::status_json(look(), detail)};
}

observe::HttpServer::Pages ServicePages::pages() {
  return {
      {"/health",
       [this] {
         auto health =
             observe::evaluate_health(health_inputs(board_.latest(), clock_.now()), health_rules_);
         return Page{.status = health.healthy ? 200 : 503,
                     .content_type = k_json,
                     .body = std::move(health.body)};
       }},
      {"/",
       [] {
         // The page itself says what it may load, but cannot say who may frame it.
         return Page{.content_type = "text/html; charset=utf-8",
                     .body = std::string(observe::k_page),
                     .more_headers = "Content-Security-Policy: frame-ancestors 'none'\r\n"};
       }},
      {"/livez", [this] { return verdict_page("live", observe::judge_live(look())); }},
      {"/readyz", [this] { return verdict_page("ready", observe::judge_ready(look())); }},
      {"/status", [this] { return status_page(observe::StatusDetail::kPartitions); }},
      {"/status/topics", [this] { return status_page(observe::StatusDetail::kTopics); }},
      {"/metrics",
       [this] {
         return Page{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                     .body = metrics_text(look())};
       }},
  };
}

}  // namespace bronze
