#include "observe/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <utility>
#include <vector>

#include "decode/record_error.h"

namespace bronze::observe {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Label = ClientMetric::Label;

/// Metric families in the order in which they are added.
class Families {
 public:
  void add(const char* name, const char* help, MetricType type) {
    families_.push_back({.name = name, .help = help, .type = type, .metric = {}});
  }
  void count(std::uint64_t value, std::vector<Label> labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = static_cast<double>(value);
    families_.back().metric.push_back(std::move(metric));
  }
  void gauge(double value, std::vector<Label> labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  void histogram(const ingest::DurationHistogram& durations) {
    ClientMetric metric;
    std::uint64_t below = 0;
    for (std::size_t i = 0; i < durations.counts().size(); ++i) {
      below += durations.counts()[i];
      const bool last = i == ingest::DurationHistogram::k_bounds.size();
      const double bound =
          last ? std::numeric_limits<double>::infinity() : ingest::DurationHistogram::k_bounds[i];
      metric.histogram.bucket.push_back({.cumulative_count = below, .upper_bound = bound});
    }
    metric.histogram.sample_count = below;
    metric.histogram.sample_sum = durations.seconds();
    families_.back().metric.push_back(std::move(metric));
  }

  [[nodiscard]] std::string text() const {
    return prometheus::TextSerializer().Serialize(families_);
  }

 private:
  std::vector<MetricFamily> families_;
};

Label topic_label(const ingest::LaneReport& lane) { return {"topic", lane.topic}; }

void add_rows(Families& out, const std::vector<ingest::LaneReport>& lanes) {
  out.add("bronze_rows_committed_total", "Rows in the tables.", MetricType::Counter);
  for (const auto& lane : lanes) out.count(lane.rows_committed, {topic_label(lane)});
  out.add("bronze_bytes_committed_total", "Bytes of the committed records, as they were sent.",
          MetricType::Counter);
  for (const auto& lane : lanes) out.count(lane.bytes_committed, {topic_label(lane)});
  out.add("bronze_messages_consumed_total",
          "Records that were taken in; those read again count again.", MetricType::Counter);
  for (const auto& lane : lanes) out.count(lane.messages_consumed, {topic_label(lane)});
  out.add("bronze_dead_letters_total", "Records in the dead-letter tables, by type of error.",
          MetricType::Counter);
  for (const auto& lane : lanes) {
    for (const char* type : decode::k_error_types) {
      const auto found = lane.dead_letters.by_type.find(type);
      out.count(found == lane.dead_letters.by_type.end() ? 0 : found->second,
                {topic_label(lane), {"type", type}});
    }
  }
}

void add_lag(Families& out, const Observation& seen) {
  out.add("bronze_consumer_lag", "Records of a partition that are in no table yet.",
          MetricType::Gauge);
  for (const auto& lane : seen.report.lanes) {
    for (const auto& [partition, report] : lane.partitions) {
      const auto lag = report.lag();
      if (!lag) continue;
      out.gauge(static_cast<double>(*lag),
                {topic_label(lane), {"partition", std::to_string(number(partition))}});
    }
  }
  out.add("bronze_consumer_lag_seconds",
          "Age of the record that was read last, where records are in no table yet.",
          MetricType::Gauge);
  for (const auto& lane : seen.report.lanes) {
    const auto lag = lag_seconds_of(lane, seen.wall);
    if (lag) out.gauge(*lag, {topic_label(lane)});
  }
  out.add("bronze_oldest_unwritten_seconds",
          "How long the oldest record that is held has been in no table.", MetricType::Gauge);
  for (const auto& lane : seen.report.lanes) {
    const Duration held = seen.now - lane.oldest_unwritten.value_or(seen.now);
    out.gauge(std::chrono::duration<double>(held).count(), {topic_label(lane)});
  }
  out.add("bronze_retention_risk_seconds",
          "In what time retention deletes records that are in no table, at the present rates. "
          "Absent = not within a week.",
          MetricType::Gauge);
  for (const auto& lane : seen.report.lanes) {
    const auto left = loses_data_in(lane);
    if (left) out.gauge(std::chrono::duration<double>(*left).count(), {topic_label(lane)});
  }
}

void add_writes(Families& out, const ingest::IngestReport& report) {
  const ingest::LaneTotals sum = report.totals();
  out.add("bronze_commits_total", "Commits to the tables, by what became of each try.",
          MetricType::Counter);
  for (const auto& lane : report.lanes) {
    out.count(lane.writes.committed, {topic_label(lane), {"outcome", "committed"}});
    out.count(lane.writes.conflicts, {topic_label(lane), {"outcome", "conflict"}});
    out.count(lane.writes.failed, {topic_label(lane), {"outcome", "failed"}});
  }
  out.add("bronze_commit_duration_seconds", "From the end of a batch until it was in the table.",
          MetricType::Histogram);
  out.histogram(sum.writes.durations);
  out.add("bronze_retries_total", "Uploads and commits that were tried again.",
          MetricType::Counter);
  out.count(sum.writes.retries);
  out.add("bronze_files_written_total", "Data files that were uploaded.", MetricType::Counter);
  out.count(sum.writes.files);
  out.add("bronze_checkpoints_total", "Checkpoints that were written.", MetricType::Counter);
  out.count(sum.checkpoints);
}

void add_cache(Families& out, const CacheCounts& cache) {
  const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
    out.add(name, help, MetricType::Counter);
    out.count(value);
  };
  counter("bronze_cache_hits_total", "Looks at a table that began from what Redis told of it.",
          cache.hits);
  counter("bronze_cache_misses_total",
          "Looks at a table that read its log, since Redis told nothing that the table confirms.",
          cache.misses);
  counter("bronze_cache_errors_total", "Requests to Redis that failed.", cache.errors);
}

void add_process(Families& out, const Observation& seen) {
  using ingest::PartitionActivity;
  const auto gauge = [&](const char* name, const char* help, double value) {
    out.add(name, help, MetricType::Gauge);
    out.gauge(value);
  };
  const auto partitions = [&](PartitionActivity activity) {
    return static_cast<double>(count_of(seen.report.lanes, activity));
  };
  out.add("bronze_rebalances_total", "Assignments by the consumer group.", MetricType::Counter);
  out.count(seen.report.rebalances);
  gauge("bronze_paused_partitions", "Partitions whose reading waits for memory or the store.",
        partitions(PartitionActivity::kPaused));
  gauge("bronze_stopped_partitions", "Partitions that are stopped until somebody acts.",
        partitions(PartitionActivity::kStopped));
  gauge("bronze_buffered_bytes", "Memory that records hold which are in no table yet.",
        static_cast<double>(seen.report.held_bytes));
  gauge("bronze_memory_budget_bytes", "MEMORY_LIMIT_MB.",
        static_cast<double>(seen.facts.memory_budget_bytes));
  gauge("bronze_memory_resident_bytes", "Memory of the process.",
        static_cast<double>(seen.resident_bytes));
  gauge("bronze_healthy", "1 = /health answers 200.", seen.health.healthy ? 1 : 0);
  gauge("bronze_ready", "1 = /readyz answers 200.", judge_ready(seen).holds ? 1 : 0);
  gauge("process_start_time_seconds", "When the process started, in Unix time.",
        static_cast<double>(seen.facts.started_at) / 1e6);
  out.add("bronze_build_info", "Always 1.", MetricType::Gauge);
  out.gauge(1, {{"version", seen.facts.version}});
}

}  // namespace

std::string metrics_text(const Observation& seen) {
  Families out;
  add_rows(out, seen.report.lanes);
  add_lag(out, seen);
  add_writes(out, seen.report);
  add_cache(out, seen.cache);
  add_process(out, seen);
  return out.text();
}

}  // namespace bronze::observe
