#include "observe/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/event_log.h"
#include "observe/utc_text.h"

namespace bronze::observe {
namespace {

std::string timestamp(spdlog::log_clock::time_point time) {
  using namespace std::chrono;
  return utc_text(duration_cast<microseconds>(time.time_since_epoch()).count());
}

std::string_view level_name(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
      return "trace";
    case spdlog::level::debug:
      return "debug";
    case spdlog::level::info:
      return "info";
    case spdlog::level::warn:
      return "warn";
    case spdlog::level::err:
    case spdlog::level::critical:
    case spdlog::level::off:
    case spdlog::level::n_levels:
      break;
  }
  return "error";
}

std::string_view message_of(const spdlog::details::log_msg& event) {
  return {event.payload.data(), event.payload.size()};
}

/// Used by one sink, under the sink's mutex.
class TextFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& event, spdlog::memory_buf_t& out) override {
    auto end = std::back_inserter(out);
    fmt::format_to(end, "{} {} ", timestamp(event.time), level_name(event.level));
    for (const char c : message_of(event)) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '\n') {
        fmt::format_to(end, "\\n");
      } else if (byte < 0x20 || byte == 0x7f) {
        fmt::format_to(end, "\\x{:02x}", byte);
      } else {
        out.push_back(c);
      }
    }
    out.push_back('\n');
  }

  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<TextFormatter>();
  }
};

/// Adds fields to a line. Values that are empty are left out.
class FieldWriter {
 public:
  explicit FieldWriter(nlohmann::ordered_json& line) : line_(line) {}

  void operator()(const char* name, std::string_view value) const {
    if (!value.empty()) line_[name] = value;
  }
  void operator()(const char* name, const std::optional<Partition>& value) const {
    if (value) line_[name] = number(*value);
  }
  void operator()(const char* name, const std::optional<Offset>& value) const {
    if (value) line_[name] = value->value;
  }
  template <typename Number>
  void operator()(const char* name, const std::optional<Number>& value) const {
    if (value) line_[name] = *value;
  }

 private:
  nlohmann::ordered_json& line_;
};

/// Used by one sink, under the sink's mutex.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& event, spdlog::memory_buf_t& out) override {
    using Json = nlohmann::ordered_json;
    Json line = {{"ts", timestamp(event.time)},
                 {"level", level_name(event.level)},
                 {"msg", message_of(event)}};
    if (const EventLog::Line* told = EventLog::current()) {
      line["event"] = traits_of(told->event).name;
      const FieldWriter add(line);
      for_each_field(told->fields, add);
      add("suppressed", told->suppressed);
    }
    const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace);
    out.append(text.data(), text.data() + text.size());
    out.push_back('\n');
  }

  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

spdlog::level::level_enum level_from(std::string_view name) {
  for (const auto level :
       {spdlog::level::trace, spdlog::level::debug, spdlog::level::info, spdlog::level::warn}) {
    if (level_name(level) == name) return level;
  }
  return spdlog::level::err;
}

void set_up(spdlog::sink_ptr sink, std::unique_ptr<spdlog::formatter> formatter,
            spdlog::level::level_enum level) {
  const spdlog::sinks_init_list sinks{std::move(sink), std::make_shared<RecentTroubles>()};
  auto logger = std::make_shared<spdlog::logger>("bronze", sinks);
  logger->set_formatter(std::move(formatter));
  logger->set_level(level);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace

std::unique_ptr<spdlog::formatter> make_log_formatter(config::LogFormat format) {
  if (format == config::LogFormat::kJson) return std::make_unique<JsonFormatter>();
  return std::make_unique<TextFormatter>();
}

void set_up_log_file(const std::string& path) {
  set_up(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path),
         make_log_formatter(config::LogFormat::kText), spdlog::level::info);
}

void set_up_log(const config::LogConfig& config) {
  set_up(std::make_shared<spdlog::sinks::stdout_sink_mt>(), make_log_formatter(config.format),
         level_from(config.level));
}

std::vector<Trouble> recent_troubles() {
  for (const auto& sink : spdlog::default_logger()->sinks()) {
    const auto kept = std::dynamic_pointer_cast<RecentTroubles>(sink);
    if (kept) return kept->latest();
  }
  return {};
}

void set_up_quiet_log() {
  auto logger =
      std::make_shared<spdlog::logger>("bronze", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(make_log_formatter(config::LogFormat::kText));
  logger->set_level(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace bronze::observe
