#pragma once

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "observe/log.h"

namespace bronze::fakes {

/// What is logged while it lives, as with LOG_FORMAT=json.
class LogCapture {
 public:
  using Line = nlohmann::ordered_json;

  LogCapture() {
    testing::internal::CaptureStdout();
    observe::set_up_log({.level = "info", .format = config::LogFormat::kJson});
  }
  ~LogCapture() {
    spdlog::set_default_logger(before_);
    testing::internal::GetCapturedStdout();
  }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  /// Since the last call.
  [[nodiscard]] std::vector<Line> take() const {
    std::istringstream text(testing::internal::GetCapturedStdout());
    testing::internal::CaptureStdout();
    std::vector<Line> lines;
    for (std::string line; std::getline(text, line);) lines.push_back(Line::parse(line));
    return lines;
  }
  /// Those of one event.
  [[nodiscard]] std::vector<Line> take(const std::string& event) const {
    std::vector<Line> lines = take();
    std::erase_if(lines, [&](const Line& line) { return line.value("event", "") != event; });
    return lines;
  }

 private:
  const decltype(spdlog::default_logger()) before_ = spdlog::default_logger();
};

}  // namespace bronze::fakes
