#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <thread>

#include "fakes/fake_kafka.h"
#include "fakes/fake_table.h"
#include "ingest/ingest.h"
#include "ingest/worker_pool.h"

namespace bronze::ingest {
namespace {

using namespace std::chrono_literals;

constexpr int k_partitions = 3;
constexpr int k_records = 3'000;

/// The loop with real threads and a real clock over fakes that have no locks of their own: what a
/// lane promises about who uses its table and its files when is checked by the thread sanitizer.
TEST(IngestThreads, EveryRecordLandsOnceWithRealWorkers) {
  spdlog::set_level(spdlog::level::off);
  fakes::FakeKafka cluster;
  cluster.create_topic("t", k_partitions);
  for (int i = 0; i < k_records; ++i) {
    cluster.produce("t", Partition{i % k_partitions}, fakes::LogRecord::Kind::kValue);
  }
  std::map<std::string, fakes::StoredTable> store;
  const SystemClock clock;
  EventLog log(clock);
  ReportBoard board;
  fakes::FakeSource source(cluster, {}, 1);
  TopicWatch watch(source, clock, {.topics = {"t"}, .refresh = 10s});
  WorkerPool workers(4, [] {});
  std::vector<std::unique_ptr<Lane>> lanes;
  lanes.push_back(std::make_unique<Lane>(
      LaneSettings{.writer = {.topic = "t",
                              .lane = 0,
                              .group = "g",
                              .flush = {.interval = 2ms, .max_bytes = 0, .max_rows = 100},
                              .write_retry = 1h,
                              .file_age_max = 30min},
                   .start = StartEarliest{},
                   .mode = RunMode::kOnce,
                   .table_spec = {}},
      LaneParts{.source = source,
                .executor = workers,
                .clock = clock,
                .log = log,
                .watch = watch,
                .table = std::make_unique<fakes::FakeTable>(store, "t", fakes::StoreHooks{}, 1)}));
  Ingest ingest({.mode = RunMode::kOnce,
                 .poll_wait_max = 1ms,
                 .shutdown_timeout = 1min,
                 .revoke_budget = 5s,
                 .batch_bytes_max = 1'000'000,
                 .kafka_name = "kafka",
                 .store_name = "store"},
                {.source = source,
                 .executor = workers,
                 .clock = clock,
                 .log = log,
                 .watch = watch,
                 .board = board},
                std::move(lanes), [] { return delta::StoreOutcome{}; });
  kafka::Assigned assigned;
  for (int p = 0; p < k_partitions; ++p) assigned.partitions.push_back({"t", Partition{p}});
  source.push(assigned);

  EXPECT_EQ(ingest.run(), IngestEnd::kDone);
  workers.stop();

  std::map<std::pair<Partition, Offset>, int> seen;
  for (const auto& commit : store.at("t").commits) {
    for (const auto& row : commit.rows) ++seen[{row.partition, row.offset}];
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(k_records));
  for (const auto& [place, times] : seen) EXPECT_EQ(times, 1);
  EXPECT_GT(store.at("t").commits.size(), 2U) << "creation and registration are two";
  EXPECT_EQ(cluster.group_offsets.at({"t", Partition{0}}).offset.value, k_records / k_partitions);
}

}  // namespace
}  // namespace bronze::ingest
