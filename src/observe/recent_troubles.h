#pragma once

#include <spdlog/sinks/base_sink.h>

#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace bronze::observe {

/// A warning or error that was logged.
struct Trouble {
  UnixMicros at = 0;
  std::string message;
};

/// Messages about a topic begin with its name.
[[nodiscard]] bool is_about(const Trouble& trouble, std::string_view topic);
/// The first that is; nullptr = none.
[[nodiscard]] const Trouble* first_about(const std::vector<Trouble>& troubles,
                                         std::string_view topic);

/// Keeps the last warnings and errors of the log. Any thread.
class RecentTroubles final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  static constexpr std::size_t k_max = 20;

  RecentTroubles() { set_level(spdlog::level::warn); }

  /// Newest first.
  [[nodiscard]] std::vector<Trouble> latest();

 protected:
  void sink_it_(const spdlog::details::log_msg& event) override;
  void flush_() override {}

 private:
  std::deque<Trouble> troubles_;
};

}  // namespace bronze::observe
