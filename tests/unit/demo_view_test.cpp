#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <sstream>

#include "base/readable.h"
#include "demo/events.h"
#include "demo/progress_view.h"
#include "demo/settings.h"
#include "demo/summary.h"

namespace bronze::demo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Progress some_progress() {
  Progress progress{.stage = Stage::kProducing,
                    .elapsed = milliseconds(12'900),
                    .planned = seconds(30),
                    .topics = {},
                    .rate = 4'999.6,
                    .commits = 96,
                    .memory_bytes = 61'234'567};
  for (std::size_t i = 0; i < k_topics.size(); ++i) {
    progress.topics.push_back(
        {.produced = 1'000 + i, .bytes = 400'000, .written = 900, .behind = milliseconds(100 * i)});
  }
  return progress;
}

Landed landed(std::string topic, std::uint64_t produced, std::uint64_t rows) {
  return {.topic = std::move(topic),
          .produced = produced,
          .raw_bytes = 5'000'000,
          .rows = rows,
          .files = 3,
          .stored_bytes = 1'000'000,
          .trouble = {}};
}

TEST(DemoViewTest, NumbersAreReadable) {
  EXPECT_EQ(as_size(61'234'567), "61.2 MB");
  EXPECT_EQ(as_size(1'499), "1.5 kB");
}

TEST(DemoViewTest, TheBlockHasALineForEachTopicAndFitsTheTerminal) {
  const auto lines = progress_block(some_progress());
  ASSERT_EQ(lines.size(), k_topics.size() + 4);
  for (const auto& line : lines) EXPECT_LE(line.size(), k_block_columns) << line;
  EXPECT_EQ(lines[1], "  gps_pings                  1,000           900       0.0 s");
  EXPECT_EQ(lines[9], "  total                      8,028         7,200       0.7 s");
  EXPECT_EQ(lines.back(), "  12 s of 30 s   5,000 events/s   96 commits   memory 61.2 MB");
}

TEST(DemoViewTest, TheLineTellsTheSame) {
  Progress progress = some_progress();
  EXPECT_EQ(progress_line(progress),
            "12 s of 30 s: 8,028 produced, 7,200 written, 0.7 s behind, 5,000 events/s, "
            "96 commits, memory 61.2 MB");
  progress.stage = Stage::kWritingTheRest;
  EXPECT_TRUE(progress_line(progress).starts_with("writing what is left: 8,028 produced"));
}

TEST(DemoViewTest, TheBlockIsDrawnOverItself) {
  std::ostringstream terminal;
  LiveBlock block(terminal);
  block.draw({"one", "two"});
  EXPECT_EQ(terminal.str(), "one\x1b[K\ntwo\x1b[K\n\x1b[J");
  terminal.str("");
  block.draw({"three", "four"});
  EXPECT_EQ(terminal.str(), "\x1b[2A\rthree\x1b[K\nfour\x1b[K\n\x1b[J");
}

TEST(DemoSummaryTest, TellsRowsFilesBytesAndRatio) {
  const std::vector<Landed> topics = {landed("trips", 1'500, 1'500), landed("payments", 70, 70)};
  EXPECT_TRUE(all_landed(topics));
  const std::string text = summary(topics);
  EXPECT_TRUE(
      std::regex_search(text, std::regex(R"(trips +1,500 +1,500 +3 +5\.0 MB +1\.0 MB +5\.0x\n)")))
      << text;
  EXPECT_TRUE(
      std::regex_search(text, std::regex(R"(total +1,570 +1,570 +6 +10\.0 MB +2\.0 MB +5\.0x\n)")))
      << text;
  EXPECT_NE(text.find("Every table has as many rows as were produced"), std::string::npos);
}

TEST(DemoSummaryTest, AMissingOrDoubledRowIsNamed) {
  for (const std::uint64_t rows : {1'499U, 1'501U}) {
    const std::vector<Landed> topics = {landed("trips", 1'500, rows), landed("payments", 70, 70)};
    EXPECT_FALSE(all_landed(topics));
    const std::string text = summary(topics);
    EXPECT_NE(text.find("trips: 1,500 produced, but " + with_commas(rows) + " in the table"),
              std::string::npos)
        << text;
    EXPECT_EQ(text.find("Every table"), std::string::npos);
  }
}

TEST(DemoSummaryTest, ATableThatCannotBeReadIsNotALandedOne) {
  Landed unreadable = landed("trips", 0, 0);
  unreadable.trouble = "no log";
  EXPECT_FALSE(all_landed({unreadable}));
  EXPECT_NE(summary({unreadable}).find("trips: the table cannot be read: no log"),
            std::string::npos);
}

TEST(DemoSummaryTest, TheQueriesNameTheFolder) {
  const std::string text = queries("bronze-demo/20260115-103000");
  EXPECT_NE(text.find("pip install deltalake\n"), std::string::npos);
  EXPECT_NE(text.find("DeltaTable('bronze-demo/20260115-103000/bronze_trips')"), std::string::npos);
  EXPECT_NE(text.find("delta_scan('bronze-demo/20260115-103000/bronze_trips')"), std::string::npos);
}

TEST(DemoSettingsTest, OnlyTheUsersHttpPortCounts) {
  const config::EnvLookup process = [](std::string_view name) -> std::optional<std::string> {
    if (name == "HTTP_PORT") return "9999";
    return "of no use";
  };
  const auto environment = demo_environment(process, "/tmp/run");
  EXPECT_EQ(environment("HTTP_PORT"), "9999");
  EXPECT_EQ(environment("DELTA_BASE_PATH"), "/tmp/run");
  for (const char* ignored : {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_START", "S3_ENDPOINT_URL",
                              "AWS_ACCESS_KEY_ID", "BRONZE_BUCKET", "MEMORY_LIMIT_MB"}) {
    EXPECT_EQ(environment(ignored), std::nullopt) << ignored;
  }
  const auto loaded = config::load_config(environment, std::nullopt);
  ASSERT_TRUE(std::holds_alternative<config::Config>(loaded));
  const auto& config = std::get<config::Config>(loaded);
  EXPECT_EQ(config.kafka.topics, std::vector<std::string>(k_topics.begin(), k_topics.end()));
  EXPECT_EQ(config.store.base_uri, "file:///tmp/run");
  EXPECT_EQ(config.batch.interval, seconds(2));
  EXPECT_TRUE(config.warnings.empty());
}

TEST(DemoSettingsTest, ARunIsNamedByItsBeginning) {
  EXPECT_EQ(run_name(1'768'473'000'999'999), "20260115-103000");
}

}  // namespace
}  // namespace bronze::demo
