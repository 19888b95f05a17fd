#include "ingest/lane_writer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "batch/schema.h"
#include "fakes/fake_clock.h"
#include "fakes/fake_kafka.h"
#include "fakes/log_capture.h"
#include "fakes/manual_executor.h"
#include "fakes/silent_table.h"

namespace bronze::ingest {
namespace {

using namespace std::chrono_literals;
using delta::StoreStatus;

/// A file that cannot be finished, and a table of which only such files are wanted.
class BadFile final : public delta::FileSink {
 public:
  explicit BadFile(StoreStatus answer) : answer_(answer) {}
  std::uint64_t append(batch::Columns columns) override {
    width = columns.width();
    return 0;
  }
  std::uint64_t append(batch::DeadLetterColumns /*columns*/) override { return 0; }
  delta::FileResult finish() override { return {{answer_, "the answer"}, "", 0, 0}; }
  delta::StoreOutcome discard() override { return {}; }

  static inline std::size_t width = 0;

 private:
  const StoreStatus answer_;
};

class TableOfBadFiles final : public SilentTable {
 public:
  [[nodiscard]] std::unique_ptr<delta::FileSink> open_file(const std::string& /*date*/) override {
    return std::make_unique<BadFile>(answer);
  }
  StoreStatus answer = StoreStatus::kOk;
};

class LaneWriterTest : public testing::Test {
 protected:
  LaneWriterTest() {
    kafka_.create_topic("t", 1);
    writer_.begin(kafka_.topic("t").identity, shape_of({}));
  }

  static delta::TableShape shape_of(const ExtraColumns& extra) {
    delta::TableShape shape;
    shape.schema_json = batch::table_schema(extra);
    return shape;
  }

  /// Adds a row and has its batch uploaded; what the writer makes of the answer.
  std::optional<WriterEvent> write_a_row() {
    const batch::RowExtras extras;
    batch::Row row;
    row.raw_value = "value";
    row.extras = &extras;
    writer_.add(row, Offset{0});
    writer_.flush();
    EXPECT_FALSE(writer_.step());
    executor_.run_all();
    for (const auto& job : executor_.take_done()) {
      if (const auto* done = std::get_if<FilesFinished>(&job.outcome)) batch_ = done->batch;
      writer_.on_job(job.outcome);
    }
    return writer_.step();
  }

  /// Of the batch that `write_a_row` began.
  void lose_races(int count) {
    CommitResult lost{.status = CommitStatus::kRetry,
                      .message = "",
                      .version = 0,
                      .foreign = false,
                      .memory = {}};
    lost.memory.look = Look::kRefresh;
    lost.memory.last_put = delta::StoreOutcome{StoreStatus::kConflict, "taken"};
    for (int race = 0; race < count; ++race) {
      EXPECT_TRUE(turn_.try_take());
      writer_.on_job(CommitAttempted{batch_, lost});
      EXPECT_FALSE(writer_.step());
      EXPECT_GT(writer_.next_deadline(), clock_.now());
      EXPECT_LE(writer_.next_deadline(), clock_.now() + 400ms) << "after " << race << " lost races";
    }
  }

  /// Of the row that was written last.
  decltype(FilesFinished::batch) batch_{};
  fakes::FakeKafka kafka_;
  fakes::FakeClock clock_;
  EventLog log_{clock_};
  fakes::ManualExecutor executor_;
  fakes::FakeSource source_{kafka_, {}, 1};
  TopicWatch watch_{source_, clock_, {.topics = {"t"}, .refresh = 10s}};
  TableTurn turn_;
  TableOfBadFiles table_;
  LaneWriter writer_{{.topic = "t",
                      .lane = 0,
                      .group = "group",
                      .flush = {.interval = 1s, .max_bytes = 0, .max_rows = 0},
                      .write_retry = 300s,
                      .file_age_max = 30min},
                     {.tables = table_,
                      .turn = turn_,
                      .executor = executor_,
                      .clock = clock_,
                      .log = log_,
                      .watch = watch_}};
};

TEST_F(LaneWriterTest, ABatchWhoseTableGotOtherColumnsMustStartOver) {
  table_.answer = StoreStatus::kConflict;
  const auto event = write_a_row();
  ASSERT_TRUE(event);
  const auto* voided = std::get_if<BatchVoid>(&*event);
  ASSERT_NE(voided, nullptr);
  EXPECT_EQ(voided->reason, "the answer");
  EXPECT_FALSE(voided->foreign) << "nobody moved our progress";
}

TEST_F(LaneWriterTest, AnUploadThatFailsForNowIsTriedAgain) {
  table_.answer = StoreStatus::kTransient;
  EXPECT_FALSE(write_a_row());
  EXPECT_EQ(writer_.failures(), 1U);
}

TEST_F(LaneWriterTest, LostRacesDoNotMakeItWaitLongerAndLonger) {
  EXPECT_FALSE(write_a_row());
  lose_races(20);
  EXPECT_EQ(writer_.failures(), 0U) << "the table works";
}

TEST_F(LaneWriterTest, AStormOfLostRacesIsOneLineAMinute) {
  EXPECT_FALSE(write_a_row());
  const fakes::LogCapture captured;
  lose_races(20);
  clock_.advance(1min);
  lose_races(1);
  const auto lines = captured.take("conflict");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["topic"], "t");
  EXPECT_EQ(lines[0]["operation"], "commit");
  EXPECT_EQ(lines[0]["level"], "info");
  EXPECT_FALSE(lines[0]["token"].get<std::string>().empty());
  EXPECT_EQ(lines[1]["suppressed"], 19);
}

TEST_F(LaneWriterTest, AnUploadThatFailsAllTheTimeIsOneLineAMinute) {
  table_.answer = StoreStatus::kTransient;
  const fakes::LogCapture captured;
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(write_a_row());
    writer_.drop();
  }
  const auto lines = captured.take("retry");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["operation"], "upload");
  EXPECT_EQ(lines[0]["reason"], "the answer");
  EXPECT_EQ(lines[0]["level"], "warn");
  log_.flush();
  EXPECT_EQ(captured.take("retry").at(0)["suppressed"], 3) << "it stands for the fourth";
}

TEST_F(LaneWriterTest, WritesTheColumnsOfItsTable) {
  EXPECT_FALSE(writer_.columns().any());
  write_a_row();
  EXPECT_EQ(BadFile::width, 5U);
  writer_.drop();
  writer_.begin(kafka_.topic("t").identity,
                shape_of({.topic = false, .key = true, .headers = true, .timestamp_type = false}));
  EXPECT_EQ(names_of(writer_.columns()), "_kafka_key,_kafka_headers");
  write_a_row();
  EXPECT_EQ(BadFile::width, 7U);
}

}  // namespace
}  // namespace bronze::ingest
