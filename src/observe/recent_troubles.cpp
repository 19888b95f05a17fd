#include "observe/recent_troubles.h"

#include <algorithm>
#include <chrono>

namespace bronze::observe {

bool is_about(const Trouble& trouble, std::string_view topic) {
  const std::string_view message = trouble.message;
  return message.size() > topic.size() && message.starts_with(topic) &&
         message[topic.size()] == ':';
}

const Trouble* first_about(const std::vector<Trouble>& troubles, std::string_view topic) {
  const auto found = std::find_if(troubles.begin(), troubles.end(),
                                  [&](const Trouble& each) { return is_about(each, topic); });
  return found == troubles.end() ? nullptr : &*found;
}

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
