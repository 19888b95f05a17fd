#include "observe/recent_troubles.h"

#include <algorithm>
#include <chrono>
#include <utility>

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
  std::vector<Trouble> latest(troubles_.rbegin(), troubles_.rend());
  for (const auto& [topic, trouble] : former_) latest.push_back(trouble);
  std::ranges::stable_sort(latest, std::greater{}, &Trouble::at);
  return latest;
}

void RecentTroubles::sink_it_(const spdlog::details::log_msg& event) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  Trouble trouble{.at = duration_cast<microseconds>(event.time.time_since_epoch()).count(),
                  .message = std::string(event.payload.data(), event.payload.size())};
  const auto same = std::ranges::find(troubles_, trouble.message, &Trouble::message);
  if (same != troubles_.end()) {
    trouble.times += same->times;
    troubles_.erase(same);
  }
  troubles_.push_back(std::move(trouble));
  if (troubles_.size() <= k_max) return;
  keep_for_topic(std::move(troubles_.front()));
  troubles_.pop_front();
}

void RecentTroubles::keep_for_topic(Trouble trouble) {
  const std::string topic = trouble.message.substr(0, trouble.message.find(':'));
  if (!is_about(trouble, topic) || topic.find(' ') != std::string::npos) return;
  former_.insert_or_assign(topic, std::move(trouble));
  if (former_.size() <= k_topics_max) return;
  former_.erase(
      std::ranges::min_element(former_, {}, [](const auto& entry) { return entry.second.at; }));
}

}  // namespace bronze::observe
