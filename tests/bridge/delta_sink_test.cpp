#include "delta/delta_sink.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "batch/schema.h"
#include "delta/delta_store.h"

namespace bronze::delta {
namespace {

batch::Columns columns(std::int64_t first, std::int64_t count) {
  batch::Columns rows;
  for (std::int64_t i = first; i < first + count; ++i) {
    const std::string value = "{\"n\": " + std::to_string(i) + "}";
    rows.append({.raw_value = value,
                 .partition = Partition{0},
                 .offset = Offset{i},
                 .kafka_timestamp = i,
                 .ingested_at = 1'772'409'540'000'000});
  }
  return rows;
}

class DeltaSinkTest : public testing::Test {
 protected:
  DeltaSinkTest()
      : folder_(std::filesystem::temp_directory_path() /
                ("bronze-delta-sink-" + std::to_string(::getpid()) + "-" +
                 testing::UnitTest::GetInstance()->current_test_info()->name())),
        store_({.base_uri = "file://" + folder_.string(),
                .options = {},
                .engine_info = "bronze/test",
                .connect_timeout = std::chrono::seconds(1),
                .request_timeout = std::chrono::seconds(5)}) {}
  ~DeltaSinkTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<TableSink> created() {
    auto table = store_.table("bronze_t");
    EXPECT_TRUE(table
                    ->create({.schema_json = batch::table_schema(),
                              .partition_columns = {batch::k_partition_column},
                              .configuration = {{"delta.checkpointInterval", "100"}}})
                    .ok());
    return table;
  }

  static PutResult append(TableSink& table, FileSink& file, std::int64_t next,
                          const std::string& token) {
    EXPECT_TRUE(file.finish().outcome.ok());
    return table.put({.txns = {{"bronze/g/u/0", next}},
                      .parameters = {{"bronzeToken", token}},
                      .files = {&file}});
  }

  const std::filesystem::path folder_;
  DeltaStore store_;
};

TEST_F(DeltaSinkTest, LocalStoreHonoursPutIfAbsent) { EXPECT_TRUE(store_.probe().ok()); }

TEST_F(DeltaSinkTest, ATableThatIsNotThereIsMissing) {
  EXPECT_EQ(store_.table("bronze_t")->load().status, StoreStatus::kMissing);
}

TEST_F(DeltaSinkTest, TheSecondCreatorOpensWhatTheFirstMade) {
  const auto first = created();
  const auto second = store_.table("bronze_t");
  EXPECT_EQ(second
                ->create({.schema_json = batch::table_schema(),
                          .partition_columns = {batch::k_partition_column},
                          .configuration = {}})
                .status,
            StoreStatus::kConflict);
  ASSERT_TRUE(second->load().ok());
  EXPECT_EQ(second->snapshot().shape, first->snapshot().shape);
  EXPECT_EQ(second->snapshot().shape.schema_json, batch::table_schema());
  EXPECT_EQ(second->snapshot().shape.min_reader_version, 1);
  EXPECT_EQ(second->snapshot().shape.min_writer_version, 2);
}

TEST_F(DeltaSinkTest, ACommitCarriesRowsAndProgress) {
  const auto table = created();
  const auto file = table->open_file("2026-03-01");
  file->append(columns(0, 10'000));
  file->append(columns(10'000, 5));
  ASSERT_TRUE(append(*table, *file, 10'005, "token-1").outcome.ok());
  EXPECT_EQ(file->finish().rows, 10'005U);
  EXPECT_EQ(table->snapshot().txns.at("bronze/g/u/0"), 10'005);

  const auto fresh = store_.table("bronze_t");
  ASSERT_TRUE(fresh->load().ok());
  EXPECT_EQ(fresh->snapshot().version, 1U);
  EXPECT_EQ(fresh->snapshot().txns, table->snapshot().txns);
  EXPECT_TRUE(fresh->has_data_files().found);
  EXPECT_TRUE(std::filesystem::exists(folder_ / "bronze_t" / file->finish().path));
}

TEST_F(DeltaSinkTest, OfTwoCommitsAtOneVersionOneLosesAndFindsTheOthersToken) {
  const auto first = created();
  const auto second = store_.table("bronze_t");
  ASSERT_TRUE(second->load().ok());
  const auto winner = first->open_file("2026-03-01");
  winner->append(columns(0, 5));
  ASSERT_TRUE(append(*first, *winner, 5, "winner").outcome.ok());

  const auto loser = second->open_file("2026-03-01");
  loser->append(columns(0, 5));
  EXPECT_EQ(append(*second, *loser, 5, "loser").outcome.status, StoreStatus::kConflict);
  EXPECT_EQ(second->snapshot().version, 0U);
  ASSERT_TRUE(second->load().ok());
  EXPECT_EQ(second->snapshot().txns.at("bronze/g/u/0"), 5);
  EXPECT_TRUE(second->find_token("winner", 0).found);
  EXPECT_FALSE(second->find_token("loser", 0).found);

  // The same file goes into the next attempt.
  EXPECT_TRUE(append(*second, *loser, 10, "loser").outcome.ok());
  EXPECT_EQ(second->find_token("loser", 0).version, 2U);
}

TEST_F(DeltaSinkTest, TotalsAreReadFromTheStore) {
  EXPECT_EQ(store_.totals("bronze_t").outcome.status, StoreStatus::kMissing);
  const auto table = created();
  std::uint64_t bytes = 0;
  for (std::int64_t commit = 0; commit < 3; ++commit) {
    const auto file = table->open_file("2026-03-01");
    file->append(columns(commit * 10, 10));
    bytes += file->finish().bytes;
    ASSERT_TRUE(append(*table, *file, commit * 10 + 10, "token").outcome.ok());
  }
  const auto totals = store_.totals("bronze_t");
  ASSERT_TRUE(totals.outcome.ok()) << totals.outcome.message;
  EXPECT_EQ(totals.version, 3U);
  EXPECT_EQ(totals.files, 3U);
  EXPECT_EQ(totals.rows, 30U);
  EXPECT_EQ(totals.bytes, bytes);
}

TEST_F(DeltaSinkTest, ACommitWithoutFilesMovesProgressOnly) {
  const auto table = created();
  ASSERT_TRUE(
      table->put({.txns = {{"bronze/g/u/0", 7}}, .parameters = {}, .files = {}}).outcome.ok());
  ASSERT_TRUE(table->load().ok());
  EXPECT_EQ(table->snapshot().txns.at("bronze/g/u/0"), 7);
  EXPECT_FALSE(table->has_data_files().found);
}

TEST_F(DeltaSinkTest, ProgressSurvivesACheckpoint) {
  const auto table = created();
  for (int version = 1; version <= 30; ++version) {
    ASSERT_TRUE(table
                    ->put({.txns = {{"bronze/g/u/" + std::to_string(version % 3), version}},
                           .parameters = {},
                           .files = {}})
                    .outcome.ok());
  }
  ASSERT_TRUE(table->checkpoint().ok());
  const auto fresh = store_.table("bronze_t");
  ASSERT_TRUE(fresh->load().ok());
  EXPECT_EQ(fresh->snapshot().txns, table->snapshot().txns);
}

TEST_F(DeltaSinkTest, TheLastOffsetsOfEachPartitionAreFound) {
  const auto table = created();
  EXPECT_TRUE(table->last_offsets({}).offsets.empty());
  const auto one = table->open_file("2026-03-01");
  one->append(columns(0, 20));
  ASSERT_TRUE(append(*table, *one, 20, "token-1").outcome.ok());
  batch::Columns mixed = columns(20, 5);
  mixed.append({.raw_value = "other",
                .partition = Partition{1},
                .offset = Offset{400},
                .kafka_timestamp = 1,
                .ingested_at = 1'772'409'540'000'000});
  const auto two = table->open_file("2026-03-01");
  two->append(std::move(mixed));
  ASSERT_TRUE(append(*table, *two, 25, "token-2").outcome.ok());

  const auto last = table->last_offsets({});
  EXPECT_TRUE(last.outcome.ok());
  EXPECT_EQ(last.offsets, (OffsetMap{{Partition{0}, Offset{24}}, {Partition{1}, Offset{400}}}));
  const OffsetMap from{{Partition{0}, Offset{401}}, {Partition{1}, Offset{401}}};
  std::filesystem::remove(folder_ / "bronze_t" / two->finish().path);
  EXPECT_TRUE(table->last_offsets(from).outcome.ok());
  EXPECT_FALSE(table->last_offsets({}).outcome.ok());
}

TEST_F(DeltaSinkTest, ALogEntryTellsWhoseProgressItMoves) {
  const auto table = created();
  ASSERT_TRUE(
      table->put({.txns = {{"bronze/g/u/0", 7}}, .parameters = {}, .files = {}}).outcome.ok());
  EXPECT_TRUE(table->log_entry_has_txn(1, "bronze/g/").found);
  EXPECT_FALSE(table->log_entry_has_txn(1, "bronze/h/").found);
  EXPECT_TRUE(table->log_entry_has_txn(0, "bronze/g/").outcome.ok());
  EXPECT_FALSE(table->log_entry_has_txn(0, "bronze/g/").found);
  EXPECT_EQ(table->log_entry_has_txn(2, "bronze/g/").outcome.status, StoreStatus::kMissing);
}

TEST_F(DeltaSinkTest, AMissingLogEntryIsSeen) {
  const auto table = created();
  EXPECT_TRUE(table->confirm().ok());
  std::filesystem::remove_all(folder_ / "bronze_t" / "_delta_log");
  EXPECT_EQ(table->confirm().status, StoreStatus::kMissing);
}

TEST_F(DeltaSinkTest, AnotherLogEntryInThePlaceOfOursIsSeen) {
  const auto table = created();
  ASSERT_TRUE(
      table->put({.txns = {{"bronze/g/u/0", 7}}, .parameters = {}, .files = {}}).outcome.ok());
  EXPECT_TRUE(table->confirm().ok());
  std::ofstream(folder_ / "bronze_t" / "_delta_log" / "00000000000000000001.json")
      << R"({"commitInfo":{"timestamp":1,"operation":"FOREIGN"}})";
  EXPECT_EQ(table->confirm().status, StoreStatus::kMissing);
  ASSERT_TRUE(table->refresh().ok());
  EXPECT_TRUE(table->snapshot().txns.empty());
}

TEST_F(DeltaSinkTest, ADanglingCheckpointHintIsCorruptAndSaysWhatToDo) {
  const auto table = created();
  std::ofstream(folder_ / "bronze_t" / "_delta_log" / "_last_checkpoint")
      << R"({"version": 40, "size": 3})";
  const auto outcome = store_.table("bronze_t")->load();
  EXPECT_EQ(outcome.status, StoreStatus::kCorrupt);
  EXPECT_NE(outcome.message.find("_last_checkpoint"), std::string::npos) << outcome.message;
}

/// As ALTER TABLE ADD COLUMNS of another engine does it, as version 1.
void add_extra_columns(const std::filesystem::path& log, const ExtraColumns& extra) {
  std::ifstream first(log / "00000000000000000000.json");
  std::string line;
  while (std::getline(first, line)) {
    auto action = nlohmann::json::parse(line);
    if (!action.contains("metaData")) continue;
    action["metaData"]["schemaString"] = batch::table_schema(extra);
    std::ofstream(log / "00000000000000000001.json") << action.dump() << "\n";
  }
}

TEST_F(DeltaSinkTest, RowsWithExtraColumnsGoIntoATableThatHasThem) {
  constexpr ExtraColumns k_all{.topic = true, .key = true, .headers = true, .timestamp_type = true};
  const auto table = store_.table("bronze_t");
  ASSERT_TRUE(table
                  ->create({.schema_json = batch::table_schema(k_all),
                            .partition_columns = {batch::k_partition_column},
                            .configuration = {}})
                  .ok());
  const std::vector<Header> headers = {{"a", "1"}, {"b", std::nullopt}};
  const batch::RowExtras full{
      .topic = "t", .key = "k", .headers = headers, .timestamp_type = TimestampType::kCreateTime};
  const batch::RowExtras empty;
  batch::Columns rows(k_all);
  for (const auto* extras : {&empty, &full, &empty}) {
    batch::Row row;
    row.extras = extras;
    rows.append(row);
  }
  const auto file = table->open_file("2026-03-01");
  file->append(std::move(rows));
  EXPECT_TRUE(append(*table, *file, 3, "token").outcome.ok());
}

TEST_F(DeltaSinkTest, AFileThatIsOpenedAfterTheColumnsChangedIsAConflict) {
  const auto table = created();
  const auto before = table->open_file("2026-03-01");
  add_extra_columns(folder_ / "bronze_t" / "_delta_log",
                    {.topic = false, .key = true, .headers = false, .timestamp_type = false});
  ASSERT_TRUE(table->load().ok());
  ASSERT_EQ(table->snapshot().version, 1U);
  const auto after = table->open_file("2026-03-01");
  for (auto* file : {before.get(), after.get()}) file->append(columns(0, 5));
  EXPECT_TRUE(before->finish().outcome.ok()) << "the shape of the table is looked at by its commit";
  EXPECT_EQ(after->finish().outcome.status, StoreStatus::kConflict);
  EXPECT_TRUE(after->discard().ok());
}

TEST_F(DeltaSinkTest, ADiscardedFileIsGone) {
  const auto table = created();
  const auto file = table->open_file("2026-03-01");
  file->append(columns(0, 5));
  const auto path = folder_ / "bronze_t" / file->finish().path;
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(file->discard().ok());
  EXPECT_FALSE(std::filesystem::exists(path));
}

// --- dead letters -------------------------------------------------------------------------------

class DeadLetterTableTest : public DeltaSinkTest {
 protected:
  std::unique_ptr<TableSink> created_as(const std::string& schema) {
    auto table = store_.table("dlq_bronze_t");
    EXPECT_TRUE(table
                    ->create({.schema_json = schema,
                              .partition_columns = {},
                              .configuration = {{"delta.checkpointInterval", "100"}}})
                    .ok());
    return table;
  }

  static batch::DeadLetterColumns letters(std::int64_t first, std::int64_t count) {
    const std::vector<Header> headers = {{"h", "v"}, {"none", std::nullopt}};
    batch::DeadLetterColumns rows;
    for (std::int64_t i = first; i < first + count; ++i) {
      const bool even = i % 2 == 0;
      rows.append({.error_message = "why",
                   .error_type = "ENCODING_ERROR",
                   .original_payload = "text",
                   .kafka_topic = "t",
                   .partition = Partition{0},
                   .offset = Offset{i},
                   .ingested_at = 1'772'409'540'000'000,
                   .session_id = even ? std::optional<std::string_view>("s") : std::nullopt,
                   .correlation_id = {},
                   .causation_id = {},
                   .original_bytes = "\xFF",
                   .key = even ? std::optional<std::string_view>("k") : std::nullopt,
                   .headers = even ? std::span<const Header>(headers) : std::span<const Header>(),
                   .kafka_timestamp = even ? std::optional<UnixMicros>(i) : std::nullopt});
    }
    return rows;
  }
};

TEST_F(DeadLetterTableTest, TakesLettersAndTellsTheirOffsets) {
  const auto table = created_as(batch::dead_letter_schema());
  const auto file = table->open_file("");
  file->append(letters(5, 3));
  file->append(letters(10, 1));
  EXPECT_TRUE(append(*table, *file, 11, "token").outcome.ok());
  const auto reader = store_.table("dlq_bronze_t");
  ASSERT_TRUE(reader->load().ok());
  EXPECT_EQ(reader->snapshot().txns.at("bronze/g/u/0"), 11);
  const auto within = reader->offsets_within({{Partition{0}, {Offset{6}, Offset{20}}}}, 0);
  ASSERT_TRUE(within.outcome.ok()) << within.outcome.message;
  ASSERT_EQ(within.runs.size(), 2U);
  EXPECT_EQ(within.runs[0].second, (OffsetRange{Offset{6}, Offset{8}}));
  EXPECT_EQ(within.runs[1].second, (OffsetRange{Offset{10}, Offset{11}}));
  EXPECT_EQ(store_.totals("dlq_bronze_t").rows, 4U);
}

TEST_F(DeadLetterTableTest, GetsTheColumnsThatItLacks) {
  std::string schema = batch::dead_letter_schema();
  schema = schema.substr(0, schema.find(R"(,{"name":"_original_bytes")")) + "]}";
  const auto table = created_as(schema);
  const auto narrow = table->open_file("");
  narrow->append(letters(0, 1));
  EXPECT_EQ(narrow->finish().outcome.status, StoreStatus::kConflict) << "of other columns";
  ASSERT_TRUE(table->add_columns(batch::dead_letter_schema()).ok());
  EXPECT_EQ(table->snapshot().shape.schema_json, batch::dead_letter_schema());
  const auto file = table->open_file("");
  file->append(letters(0, 2));
  EXPECT_TRUE(append(*table, *file, 2, "token").outcome.ok());
  EXPECT_TRUE(table->checkpoint().ok());
  const auto reader = store_.table("dlq_bronze_t");
  ASSERT_TRUE(reader->load().ok());
  EXPECT_EQ(store_.totals("dlq_bronze_t").rows, 2U);
}

}  // namespace
}  // namespace bronze::delta
