#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/cache_counts.h"
#include "base/clock.h"
#include "base/store_pulse.h"
#include "ingest/report.h"
#include "observe/health.h"
#include "observe/history.h"
#include "observe/recent_troubles.h"

namespace bronze::observe {

/// What does not change while the process runs.
struct ServiceFacts {
  std::string version;
  UnixMicros started_at = 0;
  std::string consumer_group;
  std::string kafka;
  std::string store;
  std::uint64_t memory_budget_bytes = 0;
  std::chrono::milliseconds batch_interval{};
};

struct Judgement {
  bool holds = true;
  /// Why not, one sentence each.
  std::vector<std::string> reasons;
};

/// What the service knows of itself at one moment, for /metrics, /status and the probes.
struct Observation {
  ServiceFacts facts;
  ingest::IngestReport report;
  StorePulse store;
  CacheCounts cache;
  Health health;
  History::Steps history;
  /// As RecentTroubles has them.
  std::vector<Trouble> troubles;
  std::uint64_t resident_bytes = 0;
  SteadyTime now;
  UnixMicros wall = 0;
};

/// The loops turn.
[[nodiscard]] Judgement judge_live(const Observation& seen);
/// Partitions are assigned, the broker and the store answer, no topic fails, and /health says so.
[[nodiscard]] Judgement judge_ready(const Observation& seen);

/// A broker or store that is silent for longer counts as not reachable.
[[nodiscard]] bool kafka_answers(const Observation& seen);
[[nodiscard]] bool store_answers(const Observation& seen);

[[nodiscard]] std::size_t count_of(const ingest::LaneReport& lane,
                                   ingest::PartitionActivity activity);
[[nodiscard]] std::size_t count_of(const std::vector<ingest::LaneReport>& lanes,
                                   ingest::PartitionActivity activity);
[[nodiscard]] std::size_t assigned_of(const std::vector<ingest::LaneReport>& lanes);
/// Records that are in no table yet; nullopt = not known of every partition.
[[nodiscard]] std::optional<std::int64_t> lag_of(const ingest::LaneReport& lane);
[[nodiscard]] std::optional<std::int64_t> lag_of(const std::vector<ingest::LaneReport>& lanes);
/// How old the record is that was read last, of the partition where that is most, if records are in
/// no table yet; otherwise 0. Partitions of which it is not known do not count; nullopt = it is of
/// none, though some are behind or may be.
[[nodiscard]] std::optional<double> lag_seconds_of(const ingest::LaneReport& lane, UnixMicros wall);
/// The soonest of its partitions.
[[nodiscard]] std::optional<Duration> loses_data_in(const ingest::LaneReport& lane);

/// Means of what was committed.
struct Rates {
  std::chrono::seconds over{};
  double rows_per_second = 0;
  double bytes_per_second = 0;
};
/// Of the last minute, or of two batch intervals if that is longer; nullopt = no history yet.
[[nodiscard]] std::optional<Rates> rates_of(const Observation& seen);

}  // namespace bronze::observe
