#include "observe/recent_troubles.h"

#include <chrono>

namespace bronze::observe {

std::vector<Trouble> RecentTroubles::latest() {
  const std::lock_guard lock(mutex_);
  return {troubles_.rbegin(), troubles_.rend()};
}

void RecentTroubles::sink_it_(const spdlog::details::log_msg& event) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  troubles_.push_back({duration_cast<microseconds>(event.time.time_since_epoch()).count(),
                       std::string(event.payload.data(), event.payload.size())});
  if (troubles_.size() > k_max) troubles_.pop_front();
}

}  // namespace bronze::observe
