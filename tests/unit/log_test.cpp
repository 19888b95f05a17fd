#include "observe/log.h"

#include <gtest/gtest.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace bronze::observe {
namespace {

std::string line(config::LogFormat format, const std::string& message,
                 spdlog::level::level_enum level = spdlog::level::info) {
  spdlog::details::log_msg event("bronze", level, message);
  event.time = spdlog::log_clock::time_point(std::chrono::milliseconds{1'705'314'600'007});
  spdlog::memory_buf_t out;
  make_log_formatter(format)->clone()->format(event, out);
  return {out.data(), out.size()};
}

TEST(LogText, IsOneLineWithTimeAndLevel) {
  EXPECT_EQ(line(config::LogFormat::kText, "caf\xc3\xa9"),
            "2024-01-15T10:30:00.007Z info caf\xc3\xa9\n");
  EXPECT_EQ(line(config::LogFormat::kText, "a\nb\x1b[31m", spdlog::level::warn),
            "2024-01-15T10:30:00.007Z warn a\\nb\\x1b[31m\n");
}

TEST(LogJson, HasStableNamesAndIsEscaped) {
  EXPECT_EQ(line(config::LogFormat::kJson, "say \"hi\"\n\x01"),
            "{\"ts\":\"2024-01-15T10:30:00.007Z\",\"level\":\"info\","
            "\"msg\":\"say \\\"hi\\\"\\n\\u0001\"}\n");
}

TEST(LogJson, SurvivesBytesThatAreNotUtf8) {
  const std::string text = line(config::LogFormat::kJson, "a\xff\xfe z\xc3");
  const auto parsed = nlohmann::json::parse(text);
  EXPECT_EQ(parsed["msg"], "a\xef\xbf\xbd\xef\xbf\xbd z\xef\xbf\xbd");
}

TEST(LogJson, NamesEveryLevel) {
  using spdlog::level::level_enum;
  const std::pair<level_enum, std::string> names[] = {
      {level_enum::trace, "trace"}, {level_enum::debug, "debug"}, {level_enum::info, "info"},
      {level_enum::warn, "warn"},   {level_enum::err, "error"},   {level_enum::critical, "error"}};
  for (const auto& [level, name] : names) {
    EXPECT_EQ(nlohmann::json::parse(line(config::LogFormat::kJson, "", level))["level"], name);
  }
}

TEST(LogSetUp, WritesWhatTheLevelAllowsToStandardOutput) {
  const auto before = spdlog::default_logger();
  testing::internal::CaptureStdout();
  set_up_log({.level = "warn", .format = config::LogFormat::kJson});
  spdlog::info("hidden");
  spdlog::warn("shown {}", 1);
  const std::string text = testing::internal::GetCapturedStdout();
  spdlog::set_default_logger(before);
  const auto parsed = nlohmann::json::parse(text);
  EXPECT_EQ(parsed["level"], "warn");
  EXPECT_EQ(parsed["msg"], "shown 1");
  EXPECT_EQ(parsed.size(), 3U);
}

}  // namespace
}  // namespace bronze::observe
