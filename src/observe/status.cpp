#include "observe/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "config/topic_tables.h"
#include "decode/record_error.h"
#include "observe/utc_text.h"

namespace bronze::observe {
namespace {

using Json = nlohmann::ordered_json;
using ingest::PartitionActivity;

Json seconds_or_null(std::optional<Duration> duration) {
  return duration ? Json(std::chrono::duration<double>(*duration).count()) : Json(nullptr);
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

Json partition_json(Partition partition, const ingest::PartitionReport& report) {
  return {{"partition", number(partition)},
          {"state", name_of(report.activity)},
          {"position", or_null(report.position)},
          {"committed", or_null(report.committed)},
          {"end", or_null(report.end)},
          {"lag", or_null(report.lag())},
          {"retention_risk_seconds", seconds_or_null(report.loses_data_in)},
          {"reason", report.reason}};
}

Json commit_json(const std::optional<ingest::LastCommit>& commit) {
  if (!commit) return nullptr;
  return {{"at", utc_text(commit->at)},
          {"version", commit->version},
          {"rows", commit->rows},
          {"bytes", commit->bytes},
          {"token", commit->token},
          {"seconds", std::chrono::duration<double>(commit->took).count()}};
}

/// Messages about a topic begin with its name.
bool is_about(const Trouble& trouble, std::string_view topic) {
  const std::string_view message = trouble.message;
  return message.size() > topic.size() && message.starts_with(topic) &&
         message[topic.size()] == ':';
}

Json last_trouble_json(const std::vector<Trouble>& troubles, std::string_view topic) {
  const auto found = std::find_if(troubles.begin(), troubles.end(),
                                  [&](const Trouble& each) { return is_about(each, topic); });
  if (found == troubles.end()) return nullptr;
  return {{"at", utc_text(found->at)}, {"message", found->message}};
}

Json topic_json(const ingest::LaneReport& lane, const Observation& seen) {
  Json partitions = Json::array();
  for (const auto& [partition, report] : lane.partitions) {
    partitions.push_back(partition_json(partition, report));
  }
  const Duration held = seen.now - lane.oldest_unwritten.value_or(seen.now);
  return {{"topic", lane.topic},
          {"table", config::table_directory(lane.topic)},
          {"state", state_of(lane)},
          {"reason", reason_of(lane)},
          {"rows_committed", lane.rows_committed},
          {"bytes_committed", lane.bytes_committed},
          {"messages_consumed", lane.messages_consumed},
          {"dead_letters", letters_json(lane.dead_letters)},
          {"lag", or_null(lag_of(lane))},
          {"lag_seconds", or_null(lag_seconds_of(lane, seen.wall))},
          {"oldest_unwritten_seconds", std::chrono::duration<double>(held).count()},
          {"last_commit", commit_json(lane.last_commit)},
          {"last_error", last_trouble_json(seen.troubles, lane.topic)},
          {"retention_risk_seconds", seconds_or_null(loses_data_in(lane))},
          {"partitions", std::move(partitions)}};
}

Json errors_json(const Observation& seen) {
  Json errors = Json::array();
  for (const Trouble& trouble : seen.troubles) {
    const auto& lanes = seen.report.lanes;
    const auto lane = std::find_if(lanes.begin(), lanes.end(),
                                   [&](const auto& each) { return is_about(trouble, each.topic); });
    errors.push_back({{"at", utc_text(trouble.at)},
                      {"topic", lane == lanes.end() ? "" : lane->topic},
                      {"message", trouble.message}});
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
  std::size_t assigned = 0;
  for (const auto& lane : lanes) assigned += lane.partitions.size();
  return {{"assigned", assigned},
          {"paused", count_of(lanes, PartitionActivity::kPaused)},
          {"stopped", count_of(lanes, PartitionActivity::kStopped)}};
}

}  // namespace

std::string status_json(const Observation& seen) {
  const auto& report = seen.report;
  const ingest::LaneTotals totals = report.totals();
  const Judgement live = judge_live(seen);
  const Judgement ready = judge_ready(seen);
  std::vector<std::string> reasons = live.reasons;
  reasons.insert(reasons.end(), ready.reasons.begin(), ready.reasons.end());
  Json topics = Json::array();
  for (const auto& lane : report.lanes) topics.push_back(topic_json(lane, seen));
  Json refused = Json::array();
  for (const auto& [topic, why] : report.refused) {
    refused.push_back({{"topic", topic}, {"reason", why.reason}});
  }
  std::optional<Duration> kafka_silence;
  if (report.last_broker_answer) kafka_silence = seen.now - *report.last_broker_answer;
  const auto uptime =
      std::chrono::duration_cast<std::chrono::microseconds>(seen.now - report.started_at);
  const Json status = {
      {"version", seen.facts.version},
      {"now", utc_text(seen.wall)},
      {"started_at", utc_text(seen.wall - uptime.count())},
      {"healthy", seen.health.healthy},
      {"ready", ready.holds},
      {"live", live.holds},
      {"reasons", reasons},
      {"consumer_group", seen.facts.consumer_group},
      {"kafka",
       {{"bootstrap", seen.facts.kafka},
        {"reachable", kafka_answers(seen)},
        {"last_answer_seconds", seconds_or_null(kafka_silence)},
        {"rebalances", report.rebalances}}},
      {"store",
       {{"base", seen.facts.store},
        {"reachable", store_answers(seen)},
        {"last_answer_seconds", seconds_or_null(seen.store.last_answer)}}},
      {"partitions", partitions_json(report.lanes)},
      {"memory",
       {{"budget_bytes", seen.facts.memory_budget_bytes},
        {"buffered_bytes", report.held_bytes},
        {"resident_bytes", seen.resident_bytes},
        {"intake", name_of(report.intake)}}},
      {"totals", totals_json(totals, lag_of(report.lanes))},
      {"dead_letters", letters_json(totals.dead_letters)},
      {"topics", std::move(topics)},
      {"refused", std::move(refused)},
      {"errors", errors_json(seen)},
      {"history", history_json(seen.history)},
  };
  return status.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace bronze::observe
