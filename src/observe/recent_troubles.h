#pragma once

#include <spdlog/sinks/base_sink.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace bronze::observe {

/// A warning or error that was logged.
struct Trouble {
  /// The last time.
  UnixMicros at = 0;
  std::string message;
  std::uint64_t times = 1;
};

/// Messages about a topic begin with its name.
[[nodiscard]] bool is_about(const Trouble& trouble, std::string_view topic);
/// The first that is; nullptr = none.
[[nodiscard]] const Trouble* first_about(const std::vector<Trouble>& troubles,
                                         std::string_view topic);

/// Keeps the last warnings and errors of the log, those that say the same as one, and the last of
/// each topic, however many came after it. Any thread.
class RecentTroubles final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  static constexpr std::size_t k_max = 20;
  /// Topics come and go.
  static constexpr std::size_t k_topics_max = 1'000;

  RecentTroubles() { set_level(spdlog::level::warn); }

  /// Newest first: the last `k_max`, then what else is the last of a topic.
  [[nodiscard]] std::vector<Trouble> latest();

 protected:
  void sink_it_(const spdlog::details::log_msg& event) override;
  void flush_() override {}

 private:
  void keep_for_topic(Trouble trouble);

  /// Oldest first.
  std::deque<Trouble> troubles_;
  /// What fell out of them, the last by topic.
  std::map<std::string, Trouble, std::less<>> former_;
};

}  // namespace bronze::observe
