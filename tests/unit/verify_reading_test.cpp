#include "commands/verify_reading.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands/verify.h"
#include "commands/verify_judgement.h"
#include "ingest/app_id.h"
#include "ingest/resolve.h"

namespace bronze::commands {
namespace {

using delta::StoreStatus;

constexpr Partition k_p0{0};
constexpr Partition k_p1{1};
const TopicIdentity k_topic{"topic-uuid-AAAAAAAAAAA", 4711};
constexpr const char* k_schema =
    R"({"type":"struct","fields":[{"name":"_kafka_partition"},{"name":"_kafka_offset"}]})";

OffsetRange range(std::int64_t first, std::int64_t next) { return {Offset{first}, Offset{next}}; }

class FakeScan final : public delta::RowScan {
 public:
  explicit FakeScan(std::vector<delta::RowPart> parts) : parts_(std::move(parts)) {}
  delta::RowPart advance() override {
    if (next_ == parts_.size()) return {.outcome = {}, .done = true, .runs = {}, .files = {}};
    return parts_[next_++];
  }

 private:
  std::vector<delta::RowPart> parts_;
  std::size_t next_ = 0;
};

/// A table of which a test says what it holds.
class FakeReader final : public delta::TableReader {
 public:
  delta::StoreOutcome load() override {
    if (loads++ > 0 && !later_txns.empty()) view.txns = later_txns;
    return loaded;
  }
  [[nodiscard]] const delta::SnapshotView& snapshot() const override { return view; }
  std::unique_ptr<delta::RowScan> scan_rows(const delta::RowQuery& query) override {
    asked = query;
    return std::make_unique<FakeScan>(parts);
  }
  std::unique_ptr<delta::LetterScan> scan_letters(const delta::LetterQuery& /*query*/) override {
    return nullptr;
  }
  delta::LogVersions log_versions() override { return versions; }
  std::vector<delta::LogEntry> log_entries(delta::VersionRange range_asked) override {
    std::vector<delta::LogEntry> entries;
    for (auto version = range_asked.first; version < range_asked.next; ++version) {
      entries.emplace_back().version = version;
    }
    return entries;
  }

  void add(Partition partition, OffsetRange offsets) {
    parts.push_back({.outcome = {}, .done = false, .runs = {{partition, 0, offsets}}, .files = {}});
  }

  delta::StoreOutcome loaded;
  delta::SnapshotView view;
  /// Those of every load after the first; empty = they stay.
  delta::TxnMap later_txns;
  int loads = 0;
  std::vector<delta::RowPart> parts;
  delta::RowQuery asked;
  delta::LogVersions versions{.outcome = {}, .entries = {{0, 5}}, .checkpoint = {}};
};

/// A reader that another one stands behind, which outlives it.
template <typename Reader>
class Forward final : public delta::TableReader {
 public:
  explicit Forward(Reader& reader) : reader_(reader) {}
  delta::StoreOutcome load() override { return reader_.load(); }
  [[nodiscard]] const delta::SnapshotView& snapshot() const override { return reader_.snapshot(); }
  std::unique_ptr<delta::RowScan> scan_rows(const delta::RowQuery& query) override {
    return reader_.scan_rows(query);
  }
  std::unique_ptr<delta::LetterScan> scan_letters(const delta::LetterQuery& query) override {
    return reader_.scan_letters(query);
  }
  delta::LogVersions log_versions() override { return reader_.log_versions(); }
  std::vector<delta::LogEntry> log_entries(delta::VersionRange versions) override {
    return reader_.log_entries(versions);
  }

 private:
  Reader& reader_;
};

class VerifyReadingTest : public ::testing::Test {
 protected:
  VerifyReadingTest() {
    facts_.topic = "trips";
    facts_.group = "group";
    dead_.loaded.status = StoreStatus::kMissing;
    for (FakeReader* reader : {&table_, &dead_}) {
      reader->view.version = 4;
      reader->view.shape.id = "table-id";
      reader->view.shape.schema_json = k_schema;
    }
    table_.view.txns = {{ingest::registry_app_id("group", "trips"), k_topic.number},
                        {ingest::partition_app_id("group", k_topic, k_p0), 100},
                        {ingest::partition_app_id("group", k_topic, k_p1), 50}};
  }

  void read() {
    read_tables(
        table_, dead_, limits_, [](const std::string&) {}, facts_);
  }
  PartitionFacts& of(Partition partition) { return facts_.epochs.back().partitions[partition]; }

  FakeReader table_;
  FakeReader dead_;
  ReadingLimits limits_{.offsets_bytes_max = 1'000'000};
  TopicFacts facts_;
};

TEST_F(VerifyReadingTest, RunsOfAllFilesMeetInOneSet) {
  table_.add(k_p0, range(50, 100));
  table_.add(k_p1, range(0, 50));
  table_.add(k_p0, range(0, 60));
  read();
  EXPECT_TRUE(facts_.registered);
  EXPECT_EQ(of(k_p0).rows.size(), 100U);
  EXPECT_EQ(of(k_p0).row_count, 110U);
  EXPECT_EQ(of(k_p0).repeated.size(), 10U);
  EXPECT_EQ(of(k_p0).progress, Offset{100});
  EXPECT_EQ(of(k_p1).rows.first_absent(Offset{0}), Offset{50});
  EXPECT_TRUE(of(k_p1).repeated.empty());
}

TEST_F(VerifyReadingTest, TheTxnsTellHowManyWereReplayedAndHowFarDeadLettersAre) {
  const std::string txn = ingest::partition_app_id("group", k_topic, k_p0);
  table_.view.txns[txn + "/replayed"] = 7;
  dead_.loaded = {};
  dead_.view.txns[txn] = 120;
  read();
  ASSERT_EQ(facts_.epochs.size(), 1U);
  EXPECT_EQ(of(k_p0).replayed, 7U);
  EXPECT_EQ(of(k_p0).progress, Offset{100});
  EXPECT_EQ(of(k_p0).dead_progress, Offset{120});
  EXPECT_EQ(of(k_p1).replayed, 0U);
  EXPECT_EQ(of(k_p1).dead_progress, std::nullopt);
}

TEST_F(VerifyReadingTest, AnOffsetInBothTablesIsNoRepetition) {
  dead_.loaded = {};
  table_.add(k_p0, range(0, 10));
  table_.add(k_p0, range(12, 20));
  dead_.add(k_p0, range(9, 13));
  read();
  EXPECT_EQ(table_.asked.topic, "");
  EXPECT_EQ(dead_.asked.topic, "trips");
  EXPECT_EQ(of(k_p0).dead_count, 4U);
  EXPECT_TRUE(of(k_p0).repeated.empty());
  EXPECT_EQ(of(k_p0).both.size(), 2U);
  EXPECT_EQ(of(k_p0).both.count(range(9, 10)), 1U);
  EXPECT_EQ(of(k_p0).both.count(range(12, 13)), 1U);
}

TEST_F(VerifyReadingTest, FilesAreComparedWithWhatTheLogStates) {
  delta::FileFacts good{.path = "a",
                        .outcome = {},
                        .stated_bytes = 10,
                        .stored_bytes = 10,
                        .stated_rows = 3,
                        .stored_rows = 3,
                        .live_rows = 3};
  delta::FileFacts short_one = good;
  short_one.stored_bytes = 9;
  short_one.stored_rows = 2;
  delta::FileFacts gone = good;
  gone.outcome = {StoreStatus::kMissing, "not there"};
  gone.stored_bytes.reset();
  gone.stored_rows.reset();
  delta::FileFacts busy = gone;
  busy.outcome = {StoreStatus::kTransient, "time-out"};
  delta::FileFacts silent = good;
  silent.stated_rows.reset();
  table_.parts.push_back(
      {.outcome = {}, .done = false, .runs = {}, .files = {good, short_one, gone, busy, silent}});
  read();
  EXPECT_EQ(facts_.table.files, 5U);
  EXPECT_EQ(facts_.table.files_of_other_size.count, 1U);
  EXPECT_EQ(facts_.table.files_of_other_row_count.count, 1U);
  EXPECT_EQ(facts_.table.missing_files.count, 1U);
  EXPECT_EQ(facts_.table.unread_files.count, 1U);
}

TEST_F(VerifyReadingTest, EpochsAreAskedForByTheirBeginnings) {
  const TopicIdentity later{"topic-uuid-CCCCCCCCCCC", 4712};
  table_.view.txns[ingest::partition_app_id("group", later, k_p0)] = 7;
  table_.view.txns[ingest::registry_app_id("group", "trips") + "/" + later.text + "/since"] = 1000;
  table_.parts.push_back({.outcome = {},
                          .done = false,
                          .runs = {{k_p0, 0, range(0, 100)}, {k_p0, 1, range(0, 7)}},
                          .files = {}});
  read();
  EXPECT_EQ(table_.asked.epochs, std::vector<UnixMicros>{1000});
  ASSERT_EQ(facts_.epochs.size(), 2U);
  EXPECT_EQ(facts_.epochs[0].partitions[k_p0].rows.size(), 100U);
  EXPECT_EQ(facts_.epochs[1].partitions[k_p0].rows.size(), 7U);
  EXPECT_TRUE(facts_.epochs[1].partitions[k_p0].repeated.empty());
}

TEST_F(VerifyReadingTest, OffsetsThatOutgrowTheMemoryEndTheReading) {
  limits_.offsets_bytes_max = 10'000;
  for (std::int64_t i = 0; i < 1'000; ++i) table_.add(k_p0, range(i * 70'000, i * 70'000 + 1));
  read();
  EXPECT_TRUE(facts_.table.out_of_memory);
  EXPECT_LT(of(k_p0).row_count, 1'000U);
}

TEST_F(VerifyReadingTest, MissingLogEntriesAreToldByWhetherReadersNeedThem) {
  table_.versions = {.outcome = {}, .entries = {{2, 3}, {4, 5}}, .checkpoint = 3};
  read();
  EXPECT_EQ(facts_.log.missing_entries.count, 1U);
  EXPECT_EQ(facts_.log.needed_entries.count, 0U);
  EXPECT_EQ(facts_.log.entries, 2U);
}

TEST_F(VerifyReadingTest, ColumnMappingIsNotRead) {
  table_.view.shape.configuration["delta.columnMapping.mode"] = "name";
  read();
  EXPECT_NE(facts_.table.unreadable.find("column mapping"), std::string::npos);
  EXPECT_EQ(exit_code(VerifyReport{{}, {judge(facts_)}}), 3);

  table_.view.shape.configuration.clear();
  table_.view.shape.schema_json = R"({"fields":[{"name":"_kafka_offset"}]})";
  facts_ = {};
  read();
  EXPECT_EQ(facts_.table.unreadable, "it has no column _kafka_partition");
}

TEST_F(VerifyReadingTest, AServiceThatWritesMeanwhileSetsNothingBack) {
  table_.add(k_p0, range(0, 100));
  table_.add(k_p1, range(0, 50));
  config::Config config;
  config.kafka.consumer_group = "group";
  const auto forward = [](FakeReader& reader) {
    return std::make_unique<Forward<FakeReader>>(reader);
  };
  const VerifyAccess access{
      .reader = [&](const std::string& directory) -> std::unique_ptr<delta::TableReader> {
        return forward(directory == "bronze_trips" ? table_ : dead_);
      },
      .look =
          [&](const kafka::LookRequest&) {
            kafka::ClusterLook look;
            auto& topic = look.topics.emplace_back();
            topic.identity = k_topic;
            topic.partitions = {k_p0, k_p1};
            topic.earliest = {{k_p0, Offset{0}}, {k_p1, Offset{60}}};
            topic.latest = {{k_p0, Offset{200}}, {k_p1, Offset{200}}};
            topic.group_offsets[k_p0] = {Offset{150}, ingest::commit_metadata("table-id")};
            return look;
          },
      .read_gaps = [](const kafka::GapRequest&) { return kafka::GapLook{}; }};
  const VerifySettings settings{
      .topics = {"trips"}, .timeout = {}, .gap_timeout = {}, .limits = limits_};
  const auto run = [&] {
    table_.loads = 0;
    return verify(config, settings, access, [](const std::string&) {});
  };
  EXPECT_EQ(exit_code(run()), 1);
  const delta::TxnMap first = table_.view.txns;
  table_.later_txns = first;
  table_.later_txns[ingest::partition_app_id("group", k_topic, k_p0)] = 160;
  table_.later_txns[ingest::partition_app_id("group", k_topic, k_p1)] = 70;
  const auto report = run();
  EXPECT_EQ(exit_code(report), 0);
  EXPECT_EQ(report.topics[0].epochs[0].partitions[0].progress, Offset{100});
}

TEST_F(VerifyReadingTest, OtherGroupsThatKnowTheTopicAreNamed) {
  table_.view.txns = {{ingest::registry_app_id("another group", "trips"), 1},
                      {ingest::registry_app_id("another group", "other"), 1}};
  read();
  EXPECT_FALSE(facts_.registered);
  EXPECT_EQ(facts_.other_groups, std::vector<std::string>{"another%20group"});
}

}  // namespace
}  // namespace bronze::commands
