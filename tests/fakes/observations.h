#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "observe/observation.h"

namespace bronze::observe {

/// A service that has one topic and is well.
inline Observation well() {
  Observation seen;
  seen.facts = {.version = "1.2.3",
                .consumer_group = "group",
                .kafka = "kafka:9092",
                .store = "s3://bucket",
                .memory_budget_bytes = 1'000};
  seen.now = SteadyTime(std::chrono::seconds(100));
  seen.wall = 1'700'000'000'123'000;
  seen.facts.started_at = seen.wall - 60'000'000;
  seen.report = {.started_at = SteadyTime(std::chrono::seconds(40)),
                 .last_turn = seen.now,
                 .last_broker_answer = seen.now - std::chrono::seconds(2),
                 .last_write = {},
                 .assigned = true,
                 .lanes = {}};
  ingest::LaneReport lane{.topic = "trips",
                          .rows_committed = 90,
                          .bytes_committed = 900,
                          .messages_consumed = 110,
                          .last_write = {},
                          .oldest_due = {},
                          .oldest_unwritten = seen.now - std::chrono::seconds(4),
                          .table_open = true,
                          .halted = {},
                          .trouble = ""};
  lane.dead_letters.by_type["ENCODING_ERROR"] = lane.dead_letters.count = 10;
  lane.writes.committed = 3;
  lane.writes.durations.add(std::chrono::milliseconds(30));
  lane.writes.durations.add(std::chrono::seconds(100));
  lane.partitions[Partition{0}] = {.activity = ingest::PartitionActivity::kReading,
                                   .position = Offset{110},
                                   .committed = Offset{100},
                                   .end = Offset{130},
                                   .last_timestamp = seen.wall - 5'000'000,
                                   .loses_data_in = {},
                                   .reason = ""};
  seen.report.lanes.push_back(std::move(lane));
  return seen;
}

inline ingest::PartitionReport& only_partition(Observation& seen) {
  return seen.report.lanes.at(0).partitions.at(Partition{0});
}

/// The same with many topics, each of which has written, for an hour.
inline Observation with_topics(std::size_t topics, std::int32_t partitions) {
  Observation seen = well();
  ingest::LaneReport lane = std::move(seen.report.lanes[0]);
  seen.report.lanes.clear();
  lane.dead_letters = {};
  lane.rows_committed = 10'123'456;
  lane.bytes_committed = 5'512'345'678;
  lane.messages_consumed = 10'123'999;
  lane.oldest_unwritten = seen.now - std::chrono::microseconds(4'123'456);
  lane.last_commit = {.at = seen.wall - 3'456'789,
                      .version = 4'211,
                      .rows = 12'480,
                      .bytes = 2'700'160,
                      .token = "0b6f2a7c-7d41-4a57-9b1e-5d2f6e0c9a11",
                      .took = std::chrono::microseconds(184'123)};
  for (std::int32_t n = 0; n < partitions; ++n) {
    lane.partitions[Partition{n}] = {.activity = ingest::PartitionActivity::kReading,
                                     .position = Offset{1'012'398 + n},
                                     .committed = Offset{1'012'345 + n},
                                     .end = Offset{1'012'399 + n},
                                     .last_timestamp = seen.wall - 1'234'567,
                                     .loses_data_in = {},
                                     .reason = ""};
  }
  for (std::size_t n = 0; n < topics; ++n) {
    lane.topic = fmt::format("region-{:03}.events", n);
    seen.report.lanes.push_back(lane);
  }
  seen.history.steps.assign(History::k_steps_max, {.rows = 50'123, .bytes = 27'123'456, .lag = 54});
  return seen;
}

}  // namespace bronze::observe
