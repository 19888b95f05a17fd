#pragma once

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/event_log.h"
#include "batch/schema.h"
#include "fakes/fake_clock.h"
#include "fakes/fake_kafka.h"
#include "fakes/fake_table.h"
#include "fakes/manual_executor.h"
#include "ingest/ingest.h"

namespace bronze::ingest {

using namespace std::chrono_literals;

constexpr Partition k_p0{0};

/// The loop over the topic `t` of one partition, which it reads. Its tables are `t` and `dead`.
class IngestOfOneTopic : public testing::Test {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    cluster_.create_topic("t", 1);
  }

  /// Begins with `settings_`; the loop before, if there is one, has died.
  void begin(std::unique_ptr<decode::Validator> validator = nullptr) {
    ingest_.reset();
    std::vector<std::unique_ptr<Lane>> lanes;
    lanes.push_back(std::make_unique<Lane>(
        settings_, LaneParts{.source = source_,
                             .executor = executor_,
                             .clock = clock_,
                             .log = log_,
                             .watch = watch_,
                             .table = std::make_unique<fakes::FakeTable>(store_, "t", hooks_, 1),
                             .dead_letters =
                                 std::make_unique<fakes::FakeTable>(store_, "dead", dead_hooks_, 1),
                             .validator = std::move(validator)}));
    ingest_ = std::make_unique<Ingest>(IngestSettings{.poll_wait_max = 10s,
                                                      .shutdown_timeout = 25s,
                                                      .revoke_budget = 5s,
                                                      .batch_bytes_max = 1'000'000,
                                                      .kafka_name = "kafka",
                                                      .store_name = "store"},
                                       IngestParts{.source = source_,
                                                   .executor = executor_,
                                                   .clock = clock_,
                                                   .log = log_,
                                                   .watch = watch_,
                                                   .board = board_},
                                       std::move(lanes), [] { return delta::StoreOutcome{}; });
    pass(1s);
    source_.push(kafka::Assigned{{{"t", k_p0}}});
  }

  void produce(const std::vector<fakes::LogRecord::Kind>& kinds) {
    for (const auto kind : kinds) cluster_.produce("t", k_p0, kind);
  }

  /// As far as the service lives that long.
  void pass(Duration time) {
    for (Duration passed{}; passed < time && alive_; passed += 100ms) {
      for (int i = 0; i < 20 && alive_; ++i) {
        alive_ = ingest_->turn();
        executor_.run_all();
      }
      clock_.advance(100ms);
    }
  }

  [[nodiscard]] LaneReport report() const { return board_.latest().lanes.at(0); }
  /// Why the partition is; empty = it is not.
  [[nodiscard]] std::string halted() const {
    const auto lane = report();
    const auto found = lane.halted.find(k_p0);
    return found == lane.halted.end() ? "" : found->second;
  }

  LaneSettings settings_{.writer = {.topic = "t",
                                    .lane = 0,
                                    .group = "g",
                                    .flush = {.interval = 1s},
                                    .write_retry = 1h,
                                    .file_age_max = 30min},
                         .start = StartEarliest{},
                         .table_spec = {},
                         .dead_letter_spec = {.schema_json = batch::dead_letter_schema(),
                                              .partition_columns = {},
                                              .configuration = {}}};
  fakes::StoreHooks hooks_;
  fakes::StoreHooks dead_hooks_;
  bool alive_ = true;
  fakes::FakeClock clock_;
  EventLog log_{clock_};
  fakes::FakeKafka cluster_;
  std::map<std::string, fakes::StoredTable> store_;
  fakes::ManualExecutor executor_;
  fakes::FakeSource source_{cluster_, {}, 1};
  ReportBoard board_;
  TopicWatch watch_{source_, clock_, {.topics = {"t"}, .refresh = 10s}};
  std::unique_ptr<Ingest> ingest_;
};

}  // namespace bronze::ingest
