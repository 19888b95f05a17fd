#include "base/event_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <utility>

namespace bronze {
namespace {

thread_local const EventLog::Line* t_current = nullptr;

}  // namespace

const EventLog::Line* EventLog::current() { return t_current; }

std::optional<std::uint64_t> EventLog::admit(LogEvent event, const LogFields& fields) {
  if (traits_of(event).repeats == Repeats::kTold) return 0;
  const SteadyTime now = clock_.now();
  const std::lock_guard lock(mutex_);
  const KeyView key{event, fields.topic, fields.operation, fields.error_type};
  auto found = repeated_.find(key);
  if (found != repeated_.end() && now < found->second.again_at) {
    ++found->second.left_out;
    due_ = std::min(due_, found->second.again_at);
    return std::nullopt;
  }
  if (found == repeated_.end()) {
    std::erase_if(repeated_, [&](const auto& entry) {
      return entry.second.left_out == 0 && entry.second.again_at <= now;
    });
    found = repeated_.emplace(key, Repeated{}).first;
  }
  found->second.again_at = now + k_period;
  return std::exchange(found->second.left_out, 0);
}

void EventLog::tick() {
  const SteadyTime now = clock_.now();
  if (now >= next_deadline()) tell_left_out(take_left_out(now));
}

void EventLog::flush() { tell_left_out(take_left_out(SteadyTime::max())); }

SteadyTime EventLog::next_deadline() const {
  const std::lock_guard lock(mutex_);
  return due_;
}

std::vector<EventLog::Left> EventLog::take_left_out(SteadyTime told_before) {
  const SteadyTime now = clock_.now();
  std::vector<Left> taken;
  const std::lock_guard lock(mutex_);
  due_ = SteadyTime::max();
  for (auto& [key, repeated] : repeated_) {
    if (repeated.left_out == 0) continue;
    if (repeated.again_at <= told_before) {
      taken.emplace_back(key, std::exchange(repeated.left_out, 0));
      repeated.again_at = now + k_period;
    } else {
      due_ = std::min(due_, repeated.again_at);
    }
  }
  return taken;
}

void EventLog::tell_left_out(const std::vector<Left>& all) {
  for (const auto& [key, count] : all) {
    const auto& [event, topic, operation, error_type] = key;
    const LogFields fields{.topic = topic, .operation = operation, .error_type = error_type};
    std::string what(traits_of(event).name);
    for (const auto& word : {operation, error_type}) {
      if (!word.empty()) what += ' ' + word;
    }
    write({event, fields, count - 1}, "{}{}{} again",
          fmt::make_format_args(topic, topic.empty() ? "" : ": ", what));
  }
}

void EventLog::write(const Line& line, fmt::string_view text, fmt::format_args args) {
  auto* logger = spdlog::default_logger_raw();
  const auto level = traits_of(line.event).level;
  if (!logger->should_log(level)) return;
  fmt::memory_buffer message;
  fmt::vformat_to(std::back_inserter(message), text, args);
  if (line.suppressed.value_or(0) > 0) {
    fmt::format_to(std::back_inserter(message), " ({} more left out since the last such line)",
                   *line.suppressed);
  }
  t_current = &line;
  logger->log(level, spdlog::string_view_t(message.data(), message.size()));
  t_current = nullptr;
}

}  // namespace bronze
