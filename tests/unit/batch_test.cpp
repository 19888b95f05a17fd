#include "ingest/batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "batch/flush_policy.h"
#include "fakes/manual_executor.h"
#include "ingest/batch_files.h"

namespace bronze::ingest {
namespace {

using delta::StoreStatus;
using Calls = std::vector<std::string>;

constexpr UnixMicros k_day = 86'400'000'000;
/// 2026-03-01T00:00:00Z
constexpr UnixMicros k_march_first = 1'772'323'200'000'000;

/// What was asked of the files of one table, in order, and how they answer.
struct FileLog {
  Calls calls;
  /// Offsets of the rows by date, in the order in which they came.
  std::map<std::string, std::vector<std::int64_t>> offsets;
  std::map<std::string, std::vector<std::size_t>> chunks;
  std::map<std::string, StoreStatus> finish_answers;
  StoreStatus discard_answer = StoreStatus::kOk;
};

class LoggedFile final : public delta::FileSink {
 public:
  LoggedFile(std::string date, FileLog& log) : date_(std::move(date)), log_(log) {}

  std::uint64_t append(batch::DeadLetterColumns columns) override { return 1'000 * columns.rows(); }
  std::uint64_t append(batch::Columns columns) override {
    log_.calls.push_back("append " + date_);
    log_.chunks[date_].push_back(columns.rows());
    for (std::size_t i = 0; i < columns.rows(); ++i) {
      log_.offsets[date_].push_back(columns.row(i).offset.value);
    }
    return log_.offsets[date_].size() * 10;
  }
  delta::FileResult finish() override {
    log_.calls.push_back("finish " + date_);
    const auto rows = log_.offsets[date_].size();
    return {{log_.finish_answers[date_], "answer"}, date_ + "/file", rows, rows * 100};
  }
  delta::StoreOutcome discard() override {
    log_.calls.push_back("discard " + date_);
    return {log_.discard_answer, "answer"};
  }

 private:
  const std::string date_;
  FileLog& log_;
};

/// A table of which only files are wanted.
class FilesOnlyTable final : public delta::TableSink {
 public:
  explicit FilesOnlyTable(FileLog& log) : log_(log) {}

  [[nodiscard]] std::unique_ptr<delta::FileSink> open_file(const std::string& date) override {
    log_.calls.push_back("open " + date);
    return std::make_unique<LoggedFile>(date, log_);
  }
  delta::StoreOutcome load() override { return unexpected(); }
  delta::StoreOutcome refresh() override { return unexpected(); }
  delta::StoreOutcome open() override { return unexpected(); }
  delta::StoreOutcome look() override { return unexpected(); }
  delta::StoreOutcome create(const delta::TableSpec& /*spec*/) override { return unexpected(); }
  [[nodiscard]] const delta::SnapshotView& snapshot() const override { return view_; }
  delta::Lookup has_data_files() override { return {unexpected(), false, 0}; }
  delta::LastOffsets last_offsets(const OffsetMap& /*from*/) override { return {unexpected(), {}}; }
  delta::LastIngestion last_ingestion() override { return {unexpected(), {}}; }
  delta::Lookup log_entry_has_txn(std::uint64_t /*version*/,
                                  const std::string& /*prefix*/) override {
    return {unexpected(), false, 0};
  }
  delta::Lookup find_token(const std::string& /*token*/, std::uint64_t /*after*/) override {
    return {unexpected(), false, 0};
  }
  delta::StoreOutcome confirm() override { return unexpected(); }
  delta::PutResult put(const delta::CommitRequest& /*request*/) override {
    return {unexpected(), 0};
  }
  delta::OffsetsWithin offsets_within(const RangeMap& /*ranges*/, UnixMicros /*since*/) override {
    return {unexpected(), {}};
  }
  delta::StoreOutcome add_columns(const std::string& /*schema*/) override { return unexpected(); }
  delta::StoreOutcome checkpoint() override { return unexpected(); }

 private:
  static delta::StoreOutcome unexpected() {
    ADD_FAILURE() << "a batch only opens files";
    return {StoreStatus::kFailed, "unexpected"};
  }

  FileLog& log_;
  delta::SnapshotView view_;
};

batch::Row row_at(std::int64_t offset, UnixMicros ingested_at = k_march_first,
                  std::string_view value = "value") {
  return {.raw_value = value,
          .partition = Partition{0},
          .offset = Offset{offset},
          .kafka_timestamp = std::nullopt,
          .ingested_at = ingested_at};
}

class BatchTest : public testing::Test {
 protected:
  BatchTest() : batch_(std::make_unique<Batch>(2, table_, executor_, SteadyTime{})) {}

  /// Runs all jobs and gives the batch what they say about encoding.
  std::vector<JobDone> run() {
    executor_.run_all();
    auto done = executor_.take_done();
    for (const auto& job : done) {
      const auto* encoded = std::get_if<ColumnsEncoded>(&job.outcome);
      if (encoded != nullptr && batch_) batch_->on_encoded(*encoded);
    }
    return done;
  }
  /// The answer to finish_files.
  BatchFiles::Finished finish() {
    batch_->finish_files();
    const auto done = run();
    return std::get<FilesFinished>(done.back().outcome).files;
  }

  FileLog log_;
  FilesOnlyTable table_{log_};
  fakes::ManualExecutor executor_;
  std::unique_ptr<Batch> batch_;
};

TEST_F(BatchTest, CountsKeysAndHeadersAsPayload) {
  constexpr ExtraColumns k_columns{
      .topic = false, .key = true, .headers = true, .timestamp_type = false};
  batch_ =
      std::make_unique<Batch>(2, table_, executor_, SteadyTime{}, TableColumns{.extra = k_columns});
  const std::vector<Header> headers = {{"trace", "0123"}, {"empty", std::nullopt}};
  batch::RowExtras extras;
  extras.key = "key";
  extras.headers = headers;
  auto row = row_at(0);
  row.extras = &extras;
  batch_->add(row, Offset{0});
  EXPECT_EQ(batch_->payload_bytes(), 5U + 3U + 14U);
}

TEST_F(BatchTest, SendsAChunkWhenItHasEnoughBytesOfKeys) {
  constexpr ExtraColumns k_columns{
      .topic = false, .key = true, .headers = false, .timestamp_type = false};
  batch_ =
      std::make_unique<Batch>(2, table_, executor_, SteadyTime{}, TableColumns{.extra = k_columns});
  const std::string key(k_chunk_bytes / 2, 'k');
  batch::RowExtras extras;
  extras.key = key;
  for (std::int64_t i = 0; i < 4; ++i) {
    auto row = row_at(i);
    row.extras = &extras;
    batch_->add(row, Offset{0});
  }
  run();
  EXPECT_EQ(log_.chunks["2026-03-01"].size(), 2U);
}

TEST_F(BatchTest, SendsAChunkWhenItHasEnoughRows) {
  for (std::int64_t i = 0; i < 4095; ++i) batch_->add(row_at(i), Offset{0});
  EXPECT_EQ(executor_.strands(), 0U);
  batch_->add(row_at(4095), Offset{0});
  EXPECT_EQ(executor_.strands(), 1U);
  run();
  EXPECT_EQ(log_.chunks["2026-03-01"], (std::vector<std::size_t>{4096}));
}

TEST_F(BatchTest, SendsAChunkWhenItHasEnoughBytes) {
  const std::string value(1024 * 1024, 'x');
  batch_->add(row_at(0, k_march_first, "small"), Offset{0});
  EXPECT_EQ(executor_.strands(), 0U);
  batch_->add(row_at(1, k_march_first, value), Offset{0});
  EXPECT_EQ(executor_.strands(), 1U);
  run();
  EXPECT_EQ(log_.chunks["2026-03-01"], (std::vector<std::size_t>{2}));
}

TEST_F(BatchTest, SealSendsTheRest) {
  for (std::int64_t i = 0; i < 4099; ++i) batch_->add(row_at(i), Offset{0});
  batch_->seal();
  run();
  EXPECT_EQ(log_.chunks["2026-03-01"], (std::vector<std::size_t>{4096, 3}));
  batch_->seal();
  EXPECT_EQ(executor_.strands(), 0U) << "an empty chunk is not sent";
}

TEST_F(BatchTest, AllRowsReachTheirFileInOrder) {
  std::vector<std::int64_t> expected;
  for (std::int64_t i = 0; i < 30'000; ++i) {
    batch_->add(row_at(i), Offset{0});
    expected.push_back(i);
  }
  batch_->seal();
  run();
  EXPECT_TRUE(log_.offsets["2026-03-01"] == expected);
}

TEST_F(BatchTest, WritesOneFileADate) {
  batch_->add(row_at(1, k_march_first + k_day - 1), Offset{0});
  EXPECT_TRUE(batch_->takes(row_at(2, k_march_first + k_day)));
  batch_->add(row_at(2, k_march_first + k_day), Offset{0});
  batch_->add(row_at(3, k_march_first + k_day + 5), Offset{0});
  batch_->seal();
  const auto finished = finish();
  EXPECT_EQ(log_.calls, (Calls{"open 2026-03-01", "append 2026-03-01", "open 2026-03-02",
                               "append 2026-03-02", "finish 2026-03-01", "finish 2026-03-02"}));
  EXPECT_EQ(log_.offsets["2026-03-01"], (std::vector<std::int64_t>{1}));
  EXPECT_EQ(log_.offsets["2026-03-02"], (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(finished.files.size(), 2U);
}

TEST_F(BatchTest, TakesNeitherAThirdDateNorOneThatWentBy) {
  EXPECT_TRUE(batch_->takes(row_at(0, k_march_first)));
  batch_->add(row_at(0, k_march_first), Offset{0});
  EXPECT_TRUE(batch_->takes(row_at(1, k_march_first + k_day - 1)));
  EXPECT_FALSE(batch_->takes(row_at(1, k_march_first - 1))) << "the clock went back a date";
  batch_->add(row_at(1, k_march_first + 5 * k_day), Offset{0});
  EXPECT_TRUE(batch_->takes(row_at(2, k_march_first + 5 * k_day)));
  EXPECT_FALSE(batch_->takes(row_at(2, k_march_first + 6 * k_day)));
  EXPECT_FALSE(batch_->takes(row_at(2, k_march_first)));
}

TEST_F(BatchTest, AClockThatGoesBackWithinTheDateDoesNotMatter) {
  batch_->add(row_at(0, k_march_first + 1000), Offset{0});
  EXPECT_TRUE(batch_->takes(row_at(1, k_march_first)));
}

TEST_F(BatchTest, DaysBefore1970HaveTheirDatesToo) {
  batch_->add(row_at(0, -1), Offset{0});
  EXPECT_FALSE(batch_->takes(row_at(1, -k_day - 1)));
  EXPECT_TRUE(batch_->takes(row_at(1, -k_day)));
  EXPECT_TRUE(batch_->takes(row_at(1, 0)));
  batch_->seal();
  run();
  EXPECT_EQ(log_.calls.front(), "open 1969-12-31");
}

TEST_F(BatchTest, ADateThatWentByAndIsAddedAllTheSameJoinsItsFile) {
  batch_->add(row_at(1, k_march_first), Offset{0});
  batch_->add(row_at(2, k_march_first + k_day), Offset{0});
  batch_->add(row_at(3, k_march_first), Offset{0});
  batch_->seal();
  EXPECT_EQ(finish().files.size(), 2U);
  EXPECT_EQ(log_.offsets["2026-03-01"], (std::vector<std::int64_t>{1, 3}));
  EXPECT_EQ(log_.offsets["2026-03-02"], (std::vector<std::int64_t>{2}));
}

TEST_F(BatchTest, RangesGoFromTheBaseToAfterTheLastRecord) {
  auto row = row_at(12);
  batch_->add(row, Offset{10});
  row.offset = Offset{15};
  batch_->add(row, Offset{13});
  row.partition = Partition{3};
  row.offset = Offset{7};
  batch_->add(row, Offset{7});
  EXPECT_EQ(batch_->ranges(), (RangeMap{{Partition{0}, {Offset{10}, Offset{16}}},
                                        {Partition{3}, {Offset{7}, Offset{8}}}}));
}

TEST_F(BatchTest, AdvanceMovesARangeWithoutRows) {
  batch_->advance(Partition{1}, Offset{5}, Offset{9});
  EXPECT_EQ(batch_->ranges(), (RangeMap{{Partition{1}, {Offset{5}, Offset{9}}}}));
  batch_->advance(Partition{1}, Offset{9}, Offset{11});
  EXPECT_EQ(batch_->ranges(), (RangeMap{{Partition{1}, {Offset{5}, Offset{11}}}}));
  EXPECT_EQ(batch_->rows(), 0U);
  batch_->seal();
  const auto finished = finish();
  EXPECT_TRUE(finished.outcome.ok());
  EXPECT_TRUE(finished.files.empty());
  EXPECT_TRUE(log_.calls.empty()) << "no rows, no file";
}

TEST_F(BatchTest, CountsRowsAndPayload) {
  batch_->add(row_at(0, k_march_first, "12345"), Offset{0});
  batch_->add(row_at(1, k_march_first + k_day, "678"), Offset{0});
  auto tombstone = row_at(2, k_march_first + k_day);
  tombstone.raw_value.reset();
  batch_->add(tombstone, Offset{0});
  EXPECT_EQ(batch_->rows(), 3U);
  EXPECT_EQ(batch_->payload_bytes(), 8U);
}

TEST_F(BatchTest, HoldsItsRowsUntilTheyAreEncodedAndThenWhatTheEncoderHolds) {
  batch_->add(row_at(0, k_march_first, std::string(500'000, 'x')), Offset{0});
  EXPECT_GE(batch_->held_bytes(), 500'000U);
  batch_->seal();
  EXPECT_GE(batch_->held_bytes(), 500'000U) << "on its way to the encoder";
  run();
  EXPECT_LT(batch_->held_bytes(), 1'000U);
  EXPECT_GE(batch_->held_bytes(), 10U) << "one encoded row";
}

TEST_F(BatchTest, EncodedBytesAreThoseOfAllItsFiles) {
  batch_->add(row_at(0, k_march_first), Offset{0});
  batch_->add(row_at(1, k_march_first + k_day), Offset{0});
  batch_->add(row_at(2, k_march_first + k_day), Offset{0});
  batch_->seal();
  const auto done = run();
  EXPECT_EQ(std::get<ColumnsEncoded>(done.back().outcome).encoded_bytes, 30U);
}

TEST_F(BatchTest, JobsCarryTheBatchAndTheLane) {
  batch_->add(row_at(0), Offset{0});
  batch_->seal();
  batch_->finish_files();
  const auto done = run();
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(done[0].lane, 2U);
  EXPECT_EQ(std::get<ColumnsEncoded>(done[0].outcome).batch, batch_->id());
  EXPECT_EQ(done[1].lane, 2U);
  const auto& finished = std::get<FilesFinished>(done[1].outcome);
  EXPECT_EQ(finished.batch, batch_->id());
  EXPECT_TRUE(finished.files.outcome.ok());
  EXPECT_EQ(finished.files.bytes, 100U);
  EXPECT_EQ(finished.files.files.size(), 1U);
}

TEST_F(BatchTest, BatchesHaveStrandsAndTokensOfTheirOwn) {
  const Batch other(2, table_, executor_, SteadyTime{});
  EXPECT_NE(other.id(), batch_->id());
  EXPECT_NE(other.token(), batch_->token());
}

TEST_F(BatchTest, JobsOfABatchAreOneStrandInTheOrderOfTheWork) {
  for (std::int64_t i = 0; i < 2 * 4096 + 1; ++i) batch_->add(row_at(i), Offset{0});
  batch_->seal();
  batch_->finish_files();
  batch_.reset();
  EXPECT_EQ(executor_.strands(), 1U);
  run();
  EXPECT_EQ(log_.calls, (Calls{"open 2026-03-01", "append 2026-03-01", "append 2026-03-01",
                               "append 2026-03-01", "finish 2026-03-01", "discard 2026-03-01"}));
}

TEST_F(BatchTest, DiscardsItsFilesWhenNoCommitWasTried) {
  batch_->add(row_at(0), Offset{0});
  batch_->add(row_at(1, k_march_first + k_day), Offset{0});
  batch_->seal();
  static_cast<void>(finish());
  log_.calls.clear();
  batch_.reset();
  run();
  EXPECT_EQ(log_.calls, (Calls{"discard 2026-03-01", "discard 2026-03-02"}));
}

TEST_F(BatchTest, GoesOnDiscardingWhenOneFileCannotBeDeleted) {
  batch_->add(row_at(0), Offset{0});
  batch_->add(row_at(1, k_march_first + k_day), Offset{0});
  batch_->seal();
  log_.discard_answer = StoreStatus::kTransient;
  batch_.reset();
  run();
  EXPECT_EQ(log_.calls.back(), "discard 2026-03-02");
  EXPECT_EQ(std::count(log_.calls.begin(), log_.calls.end(), "discard 2026-03-01"), 1);
}

TEST_F(BatchTest, KeepsItsFilesOnceACommitMayHaveBeenSent) {
  batch_->add(row_at(0), Offset{0});
  batch_->seal();
  static_cast<void>(finish());
  batch_->keep_files();
  log_.calls.clear();
  batch_.reset();
  run();
  EXPECT_TRUE(log_.calls.empty());
}

TEST_F(BatchTest, ItsFilesOutliveItUntilTheLastJobHasRun) {
  batch_->add(row_at(0), Offset{0});
  batch_->seal();
  const BatchId id = batch_->id();
  batch_->finish_files();
  batch_.reset();
  // An encode and an upload are still waiting. They use the files; ASan would see a dead one.
  const auto done = run();
  EXPECT_EQ(std::get<FilesFinished>(done.at(1).outcome).batch, id);
  EXPECT_EQ(log_.offsets["2026-03-01"].size(), 1U);
}

TEST_F(BatchTest, AFailedUploadNamesNoFilesAndCanBeTriedAgain) {
  batch_->add(row_at(0), Offset{0});
  batch_->add(row_at(1, k_march_first + k_day), Offset{0});
  batch_->seal();
  log_.finish_answers["2026-03-02"] = StoreStatus::kTransient;
  auto finished = finish();
  EXPECT_EQ(finished.outcome.status, StoreStatus::kTransient);
  EXPECT_TRUE(finished.files.empty());
  log_.finish_answers.clear();
  finished = finish();
  EXPECT_TRUE(finished.outcome.ok());
  EXPECT_EQ(finished.files.size(), 2U);
  EXPECT_EQ(finished.bytes, 200U);
}

TEST_F(BatchTest, RemembersWhenItWasOpenedAndTheRequestsBeforeItsLastRecord) {
  const Batch later(0, table_, executor_, SteadyTime{std::chrono::seconds(5)});
  EXPECT_EQ(later.opened_at(), SteadyTime{std::chrono::seconds(5)});
  batch_->note_arrival(4);
  batch_->note_arrival(6);
  EXPECT_EQ(batch_->requests_sent(), 6U);
}

TEST(FlushPolicyTest, FirstBatchesOfManyLanesAreWrittenEvenlySpread) {
  EXPECT_EQ(batch::first_share(0), 1.0);
  for (const std::size_t lanes : {8U, 500U}) {
    std::map<int, std::size_t> by_tenth;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const double share = batch::first_share(lane);
      EXPECT_GT(share, 0);
      EXPECT_LE(share, 1);
      ++by_tenth[static_cast<int>(share * 9.999)];
    }
    for (const auto& [tenth, count] : by_tenth) EXPECT_LE(count, lanes / 10 + 2) << tenth;
  }
}

}  // namespace
}  // namespace bronze::ingest
