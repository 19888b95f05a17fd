#include "base/event_log.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "fakes/fake_clock.h"
#include "fakes/log_capture.h"

namespace bronze {

/// Counts how often it is made into text.
struct Costly {
  int& formatted;
};

}  // namespace bronze

template <>
struct fmt::formatter<bronze::Costly> : fmt::formatter<int> {
  auto format(const bronze::Costly& costly, fmt::format_context& context) const {
    return fmt::formatter<int>::format(++costly.formatted, context);
  }
};

namespace bronze {
namespace {

using namespace std::chrono_literals;
using Line = fakes::LogCapture::Line;

class EventLogTest : public testing::Test {
 protected:
  bool conflict(std::string_view topic = "orders") {
    return log_.tell(LogEvent::kConflict, {.topic = topic}, "{}: looking again", topic);
  }
  bool retry(std::string_view operation, std::string_view reason = "no answer") {
    return log_.tell(LogEvent::kRetry,
                     {.topic = "orders", .operation = operation, .reason = reason}, "{}", reason);
  }

  fakes::FakeClock clock_;
  fakes::LogCapture captured_;
  EventLog log_{clock_};
};

TEST_F(EventLogTest, ALineBearsTheNameOfItsEventAndItsFields) {
  log_.tell(LogEvent::kCommit,
            {.topic = "orders",
             .rows = 3,
             .bytes = 0,
             .stored_bytes = 18'446'744'073'709'551'615U,
             .version = 7,
             .ms = -1,
             .token = "t-1"},
            "{}: {} rows", "orders", 3);
  auto lines = captured_.take();
  ASSERT_EQ(lines.size(), 1U);
  lines[0].erase("ts");
  EXPECT_EQ(lines[0].dump(),
            R"({"level":"info","msg":"orders: 3 rows","event":"commit","topic":"orders","rows":3,)"
            R"("bytes":0,"stored_bytes":18446744073709551615,"version":7,"ms":-1,"token":"t-1"})");
}

TEST_F(EventLogTest, EachFieldHasItsOwnNameAndValue) {
  log_.tell(LogEvent::kStarted,
            {.topic = "a",
             .partition = Partition{1},
             .offset = Offset{2},
             .partitions = 3,
             .rows = 4,
             .bytes = 5,
             .stored_bytes = 6,
             .held_bytes = 7,
             .limit_bytes = 8,
             .version = 9,
             .ms = 10,
             .token = "b",
             .operation = "c",
             .error_type = "d",
             .waiting_for = "e",
             .signal = "f",
             .exit_code = 11,
             .release = "g",
             .reason = "h"},
            "all");
  auto lines = captured_.take();
  ASSERT_EQ(lines.size(), 1U);
  for (const char* of_every_line : {"ts", "level", "msg", "event"}) lines[0].erase(of_every_line);
  EXPECT_EQ(lines[0].dump(),
            R"({"topic":"a","partition":1,"offset":2,"partitions":3,"rows":4,"bytes":5,)"
            R"("stored_bytes":6,"held_bytes":7,"limit_bytes":8,"version":9,"ms":10,"token":"b",)"
            R"("operation":"c","error_type":"d","waiting_for":"e","signal":"f","exit_code":11,)"
            R"("release":"g","reason":"h"})");
}

TEST_F(EventLogTest, FieldsAreEscapedAndSurviveBytesThatAreNotUtf8) {
  log_.tell(LogEvent::kFailed, {.topic = "a\"b\n", .reason = "x\xff\xc3 \x01\xe2\x82\xac"}, "m");
  const auto lines = captured_.take();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["topic"], "a\"b\n");
  EXPECT_EQ(lines[0]["reason"], "x\xef\xbf\xbd\xef\xbf\xbd \x01\xe2\x82\xac");
  EXPECT_EQ(lines[0]["level"], "error");
}

TEST_F(EventLogTest, OtherLinesHaveNoEvent) {
  conflict();
  spdlog::info("a plain line");
  const auto lines = captured_.take();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1].size(), 3U);
  EXPECT_EQ(EventLog::current(), nullptr);
}

TEST_F(EventLogTest, WhatIsBelowTheLevelIsNotWritten) {
  spdlog::set_level(spdlog::level::warn);
  conflict();
  retry("upload");
  EXPECT_EQ(captured_.take().size(), 1U);
}

TEST_F(EventLogTest, CommitsAreNeverLeftOut) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(log_.tell(LogEvent::kCommit, {.topic = "orders"}, "committed"));
  }
  EXPECT_EQ(captured_.take("commit").size(), 100U);
}

TEST_F(EventLogTest, RepeatsAreCountedAndToldWithTheNextLine) {
  EXPECT_TRUE(conflict());
  for (int i = 0; i < 57; ++i) {
    clock_.advance(1s);
    EXPECT_FALSE(conflict());
  }
  clock_.advance(3s);
  EXPECT_TRUE(conflict()) << "a minute after the first";
  EXPECT_FALSE(conflict()) << "its minute has begun";
  const auto lines = captured_.take("conflict");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_FALSE(lines[0].contains("suppressed"));
  EXPECT_EQ(lines[0]["msg"], "orders: looking again");
  EXPECT_EQ(lines[1]["suppressed"], 57);
  EXPECT_EQ(lines[1]["msg"], "orders: looking again (57 more left out since the last such line)");
}

TEST_F(EventLogTest, WhatWasLeftOutIsToldWhenTheMinuteIsOver) {
  conflict();
  EXPECT_EQ(log_.next_deadline(), SteadyTime::max()) << "nothing was left out";
  const SteadyTime over = clock_.now() + EventLog::k_period;
  conflict();
  conflict();
  EXPECT_EQ(log_.next_deadline(), over);
  clock_.advance(EventLog::k_period - 1ms);
  log_.tick();
  EXPECT_EQ(captured_.take("conflict").size(), 1U);
  clock_.advance(1ms);
  log_.tick();
  const auto lines = captured_.take("conflict");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["suppressed"], 1) << "it stands for the other one";
  EXPECT_EQ(lines[0]["topic"], "orders");
  EXPECT_EQ(lines[0]["msg"], "orders: conflict again (1 more left out since the last such line)");
  EXPECT_EQ(log_.next_deadline(), SteadyTime::max());
  EXPECT_FALSE(conflict()) << "a minute has begun with that line";
  clock_.advance(2 * EventLog::k_period);
  log_.tick();
  clock_.advance(2 * EventLog::k_period);
  EXPECT_TRUE(conflict());
  const auto later = captured_.take("conflict");
  ASSERT_EQ(later.size(), 2U);
  EXPECT_EQ(later[0]["suppressed"], 0);
  EXPECT_EQ(later[0]["msg"], "orders: conflict again");
  EXPECT_FALSE(later[1].contains("suppressed"));
}

TEST_F(EventLogTest, TheRestIsToldAtTheEnd) {
  {
    EventLog log(clock_);
    for (int i = 0; i < 4; ++i) {
      log.tell(LogEvent::kRetry, {.topic = "orders", .operation = "upload"}, "again");
    }
    EXPECT_EQ(captured_.take("retry").size(), 1U);
    log.flush();
    log.flush();
    const auto lines = captured_.take("retry");
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0]["suppressed"], 2);
    EXPECT_EQ(lines[0]["operation"], "upload");
    EXPECT_EQ(lines[0]["msg"],
              "orders: retry upload again (2 more left out since the last such line)");
    log.tell(LogEvent::kRetry, {.topic = "orders", .operation = "upload"}, "again");
  }
  EXPECT_EQ(captured_.take("retry").size(), 1U) << "its end flushes";
}

TEST_F(EventLogTest, TopicsOperationsAndErrorTypesAreCountedApart) {
  EXPECT_TRUE(conflict("orders"));
  EXPECT_TRUE(conflict("trips"));
  EXPECT_TRUE(retry("upload"));
  EXPECT_TRUE(retry("commit"));
  EXPECT_FALSE(retry("commit", "another reason"));
  for (const char* type : {"ENCODING_ERROR", "JSON_PARSE_ERROR"}) {
    EXPECT_TRUE(log_.tell(LogEvent::kDeadLetter, {.topic = "orders", .error_type = type}, "bad"));
  }
  EXPECT_EQ(captured_.take().size(), 6U);
}

TEST_F(EventLogTest, WhatIsLeftOutIsNotFormatted) {
  int formatted = 0;
  for (int i = 0; i < 10; ++i) {
    log_.tell(LogEvent::kConflict, {.topic = "orders"}, "{}", Costly{formatted});
  }
  EXPECT_EQ(formatted, 1);
  EXPECT_EQ(captured_.take().size(), 1U);
}

TEST(EventLogThreads, NothingIsLostOrToldTwice) {
  constexpr int k_threads = 4;
  constexpr int k_each = 2'000;
  const SystemClock clock;
  fakes::LogCapture captured;
  {
    EventLog log(clock);
    std::vector<std::jthread> threads;
    for (int t = 0; t < k_threads; ++t) {
      threads.emplace_back([&log, topic = std::to_string(t % 2)] {
        for (int i = 0; i < k_each; ++i) {
          log.tell(LogEvent::kConflict, {.topic = topic}, "{}", i);
          log.tell(LogEvent::kCommit, {.topic = topic}, "{}", i);
        }
      });
    }
  }
  std::uint64_t conflicts = 0;
  std::uint64_t commits = 0;
  for (const Line& line : captured.take()) {
    commits += line["event"] == "commit" ? 1U : 0U;
    if (line["event"] == "conflict") conflicts += 1 + line.value("suppressed", std::uint64_t{0});
  }
  EXPECT_EQ(conflicts, std::uint64_t{k_threads} * k_each);
  EXPECT_EQ(commits, std::uint64_t{k_threads} * k_each);
}

}  // namespace
}  // namespace bronze
