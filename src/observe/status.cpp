#include "observe/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <ranges>
#include <string_view>

#include "config/topic_tables.h"
#include "decode/record_error.h"
#include "observe/utc_text.h"
#include "observe/verdict.h"

namespace bronze::observe {
namespace {

using Json = nlohmann::ordered_json;
using ingest::PartitionActivity;

/// Milliseconds are enough.
double rounded(double seconds) {
  constexpr double k_parts = 1000;
  return std::round(seconds * k_parts) / k_parts;
}

double seconds_of(Duration duration) {
  return rounded(std::chrono::duration<double>(duration).count());
}

Json seconds_or_null(std::optional<Duration> duration) {
  return duration ? Json(seconds_of(*duration)) : Json(nullptr);
}

Json rounded_or_null(std::optional<double> seconds) {
  return seconds ? Json(rounded(*seconds)) : Json(nullptr);
}

template <typename Value>
Json or_null(const std::optional<Value>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json or_null(const std::optional<Offset>& offset) {
  return offset ? Json(offset->value) : Json(nullptr);
}

const char* name_of(PartitionActivity activity) {
  switch (activity) {
    case PartitionActivity::kStarting:
      return "starting";
    case PartitionActivity::kReading:
      return "reading";
    case PartitionActivity::kPaused:
      return "paused";
    case PartitionActivity::kFetchingSchema:
      return "fetching_schema";
    case PartitionActivity::kLeaving:
      return "leaving";
    case PartitionActivity::kStopped:
      return "stopped";
  }
  return "";
}

const char* name_of(Tone tone) {
  switch (tone) {
    case Tone::kWell:
      return "well";
    case Tone::kBusy:
      return "busy";
    case Tone::kWarn:
      return "warn";
    case Tone::kBad:
      return "bad";
  }
  return "";
}

const char* name_of(ingest::Intake intake) {
  switch (intake) {
    case ingest::Intake::kOpen:
      return "open";
    case ingest::Intake::kHeld:
      return "held";
    case ingest::Intake::kPaused:
      return "paused";
  }
  return "";
}

/// The most urgent that holds of it.
const char* state_of(const ingest::LaneReport& lane) {
  if (!lane.halted.empty()) return "stopped";
  if (lane.failures > 0) return "failing";
  if (!lane.table_open) return "starting";
  if (lane.partitions.empty()) return "waiting";
  if (count_of(lane, PartitionActivity::kPaused) > 0) return "paused";
  if (count_of(lane, PartitionActivity::kStarting) > 0) return "starting";
  return lag_of(lane) == 0 ? "waiting" : "copying";
}

std::string reason_of(const ingest::LaneReport& lane) {
  if (!lane.halted.empty()) {
    const auto& [partition, reason] = *lane.halted.begin();
    return fmt::format("partition {} is stopped: {}", number(partition), reason);
  }
  if (!lane.trouble.empty()) return lane.trouble;
  if (lane.failures > 0) return fmt::format("the last {} tries to write failed", lane.failures);
  return "";
}

Json letters_json(const ingest::DeadLetterTally& tally) {
  Json letters = Json::object();
  for (const char* type : decode::k_error_types) {
    const auto found = tally.by_type.find(type);
    letters[type] = found == tally.by_type.end() ? 0 : found->second;
  }
  return letters;
}

// Of hundreds of topics and partitions only what there is to say is said: see docs/status.md.

void add(Json& object, const char* name, Json value) {
  if (!value.is_null()) object[name] = std::move(value);
}

void add(Json& object, const char* name, const std::string& text) {
  if (!text.empty()) object[name] = text;
}

Json partition_json(Partition partition, const ingest::PartitionReport& report) {
  Json json = {{"partition", number(partition)}};
  if (report.activity != PartitionActivity::kReading) json["state"] = name_of(report.activity);
  add(json, "position", or_null(report.position));
  add(json, "committed", or_null(report.committed));
  add(json, "end", or_null(report.end));
  add(json, "lag", or_null(report.lag()));
  add(json, "retention_risk_seconds", seconds_or_null(report.loses_data_in));
  add(json, "reason", report.reason);
  return json;
}

Json commit_json(const std::optional<ingest::LastCommit>& commit) {
  if (!commit) return nullptr;
  return {{"at", utc_text(commit->at)}, {"version", commit->version},
          {"rows", commit->rows},       {"bytes", commit->bytes},
          {"token", commit->token},     {"seconds", seconds_of(commit->took)}};
}

Json last_trouble_json(const std::vector<Trouble>& troubles, std::string_view topic) {
  const Trouble* trouble = first_about(troubles, topic);
  if (trouble == nullptr) return nullptr;
  return {{"at", utc_text(trouble->at)}, {"message", trouble->message}};
}

Json topic_json(const ingest::LaneReport& lane, const Observation& seen, StatusDetail detail) {
  Json json = {{"topic", lane.topic},
               {"table", config::table_directory(lane.topic)},
               {"state", state_of(lane)},
               {"rows_committed", lane.rows_committed},
               {"bytes_committed", lane.bytes_committed},
               {"messages_consumed", lane.messages_consumed}};
  add(json, "reason", reason_of(lane));
  if (lane.dead_letters.count > 0) json["dead_letters"] = letters_json(lane.dead_letters);
  add(json, "lag", or_null(lag_of(lane)));
  add(json, "lag_seconds", rounded_or_null(lag_seconds_of(lane, seen.wall)));
  json["oldest_unwritten_seconds"] =
      seconds_of(seen.now - lane.oldest_unwritten.value_or(seen.now));
  add(json, "last_commit", commit_json(lane.last_commit));
  add(json, "last_error", last_trouble_json(seen.troubles, lane.topic));
  add(json, "retention_risk_seconds", seconds_or_null(loses_data_in(lane)));
  if (detail == StatusDetail::kTopics) return json;
  Json& partitions = json["partitions"] = Json::array();
  for (const auto& [partition, report] : lane.partitions) {
    partitions.push_back(partition_json(partition, report));
  }
  return json;
}

Json errors_json(const Observation& seen) {
  Json errors = Json::array();
  const auto& lanes = seen.report.lanes;
  for (const Trouble& trouble : seen.troubles | std::views::take(RecentTroubles::k_max)) {
    const auto lane = std::find_if(lanes.begin(), lanes.end(),
                                   [&](const auto& each) { return is_about(trouble, each.topic); });
    errors.push_back({{"at", utc_text(trouble.at)},
                      {"topic", lane == lanes.end() ? "" : lane->topic},
                      {"message", trouble.message},
                      {"times", trouble.times}});
  }
  return errors;
}

Json history_json(const History::Steps& history) {
  Json rows = Json::array();
  Json bytes = Json::array();
  Json lag = Json::array();
  for (const auto& step : history.steps) {
    rows.push_back(step.rows);
    bytes.push_back(step.bytes);
    lag.push_back(or_null(step.lag));
  }
  return {{"step_seconds", History::k_step.count()},
          {"end", utc_text(history.end)},
          {"rows", std::move(rows)},
          {"bytes", std::move(bytes)},
          {"lag", std::move(lag)}};
}

Json totals_json(const ingest::LaneTotals& sum, std::optional<std::int64_t> lag) {
  return {{"rows_committed", sum.rows_committed},
          {"bytes_committed", sum.bytes_committed},
          {"messages_consumed", sum.messages_consumed},
          {"commits", sum.writes.committed},
          {"retries", sum.writes.retries},
          {"files_written", sum.writes.files},
          {"checkpoints", sum.checkpoints},
          {"dead_letters", sum.dead_letters.count},
          {"lag", or_null(lag)}};
}

Json partitions_json(const std::vector<ingest::LaneReport>& lanes) {
  return {{"assigned", assigned_of(lanes)},
          {"paused", count_of(lanes, PartitionActivity::kPaused)},
          {"stopped", count_of(lanes, PartitionActivity::kStopped)}};
}

Json verdict_json(const Verdict& verdict) {
  return {{"tone", name_of(verdict.tone)},
          {"headline", verdict.headline},
          {"doing", verdict.doing},
          {"advice", verdict.advice}};
}

Json rates_json(const std::optional<Rates>& rates) {
  if (!rates) return nullptr;
  return {{"over_seconds", rates->over.count()},
          {"rows_per_second", rounded(rates->rows_per_second)},
          {"bytes_per_second", rounded(rates->bytes_per_second)}};
}

Json kafka_json(const Observation& seen) {
  const auto last = seen.report.last_broker_answer;
  return {{"bootstrap", seen.facts.kafka},
          {"reachable", kafka_answers(seen)},
          {"last_answer_seconds", last ? Json(seconds_of(seen.now - *last)) : Json(nullptr)},
          {"rebalances", seen.report.rebalances}};
}

Json store_json(const Observation& seen) {
  return {{"base", seen.facts.store},
          {"reachable", store_answers(seen)},
          {"last_answer_seconds", seconds_or_null(seen.store.last_answer)}};
}

Json memory_json(const Observation& seen) {
  return {{"budget_bytes", seen.facts.memory_budget_bytes},
          {"buffered_bytes", seen.report.held_bytes},
          {"resident_bytes", seen.resident_bytes},
          {"intake", name_of(seen.report.intake)}};
}

Json topics_json(const Observation& seen, StatusDetail detail) {
  Json topics = Json::array();
  for (const auto& lane : seen.report.lanes) topics.push_back(topic_json(lane, seen, detail));
  return topics;
}

Json refused_json(const ingest::IngestReport& report) {
  Json refused = Json::array();
  for (const auto& [topic, why] : report.refused) {
    refused.push_back({{"topic", topic}, {"reason", why.reason}});
  }
  return refused;
}

}  // namespace

std::string status_json(const Observation& seen, StatusDetail detail) {
  const auto& report = seen.report;
  const ingest::LaneTotals totals = report.totals();
  const Judgement live = judge_live(seen);
  const Judgement ready = judge_ready(seen);
  std::vector<std::string> reasons = live.reasons;
  reasons.insert(reasons.end(), ready.reasons.begin(), ready.reasons.end());
  const Json status = {
      {"version", seen.facts.version},
      {"now", utc_text(seen.wall)},
      {"started_at", utc_text(seen.facts.started_at)},
      {"healthy", seen.health.healthy},
      {"ready", ready.holds},
      {"live", live.holds},
      {"reasons", reasons},
      {"verdict", verdict_json(verdict_of(seen))},
      {"consumer_group", seen.facts.consumer_group},
      {"batch_interval_seconds", seconds_of(seen.facts.batch_interval)},
      {"kafka", kafka_json(seen)},
      {"store", store_json(seen)},
      {"partitions", partitions_json(report.lanes)},
      {"memory", memory_json(seen)},
      {"totals", totals_json(totals, lag_of(report.lanes))},
      {"rates", rates_json(rates_of(seen))},
      {"dead_letters", letters_json(totals.dead_letters)},
      {"topics", topics_json(seen, detail)},
      {"refused", refused_json(report)},
      {"errors", errors_json(seen)},
      {"history", history_json(seen.history)},
  };
  return status.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace bronze::observe
