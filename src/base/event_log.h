#pragma once

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/log_event.h"

namespace bronze {

/// Writes events into the log: one line each, with fields for LOG_FORMAT=json. Of those whose
/// repeats are counted the first is told at once, then at most one a minute of the same topic,
/// operation and error type, with the number of those left out since the line before. If no other
/// comes, a line without further fields stands for the last of them when the minute is over, or
/// when `flush` is called. So as many happened as there are lines, plus the sum of their numbers.
///
/// One for the process, owned by main; all threads. What is left out costs no formatting.
class EventLog {
 public:
  static constexpr std::chrono::minutes k_period{1};

  /// `clock` outlives it.
  explicit EventLog(const Clock& clock) : clock_(clock) {}
  /// Flushes.
  ~EventLog() { flush(); }
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  /// False = left out, and counted.
  template <typename... Args>
  bool tell(LogEvent event, const LogFields& fields, fmt::format_string<Args...> text,
            const Args&... args) {
    const auto left_out = admit(event, fields);
    if (!left_out) return false;
    const Line line{event, fields, *left_out > 0 ? left_out : std::nullopt};
    write(line, text, fmt::make_format_args(args...));
    return true;
  }

  /// Tells of what was left out and whose minute is over.
  void tick();
  /// Tells of all that was left out.
  void flush();
  /// When `tick` is due; max = nothing was left out.
  [[nodiscard]] SteadyTime next_deadline() const;

  struct Line {
    LogEvent event;
    const LogFields& fields;
    /// How many were left out between the line before and this one. A line that stands for one of
    /// them has it even if there were no others.
    std::optional<std::uint64_t> suppressed;
  };
  /// What the calling thread is just writing; nullptr = no event. For the log's formatter.
  [[nodiscard]] static const Line* current();

 private:
  struct Repeated {
    SteadyTime again_at;
    std::uint64_t left_out = 0;
  };
  using Key = std::tuple<LogEvent, std::string, std::string, std::string>;
  using KeyView = std::tuple<LogEvent, std::string_view, std::string_view, std::string_view>;
  using Left = std::pair<Key, std::uint64_t>;

  /// How many were left out before; nullopt = it is left out too.
  [[nodiscard]] std::optional<std::uint64_t> admit(LogEvent event, const LogFields& fields);
  [[nodiscard]] std::vector<Left> take_left_out(SteadyTime told_before);
  static void tell_left_out(const std::vector<Left>& all);
  static void write(const Line& line, fmt::string_view text, fmt::format_args args);

  const Clock& clock_;
  mutable std::mutex mutex_;
  /// Guarded by mutex_, as is all below. Those of which nothing came for a minute are forgotten.
  std::map<Key, Repeated, std::less<>> repeated_;
  SteadyTime due_ = SteadyTime::max();
};

}  // namespace bronze
