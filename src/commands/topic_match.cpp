#include "commands/topic_match.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "config/topic_pattern.h"
#include "config/topic_tables.h"

namespace bronze::commands {

TopicMatch match_topics(const config::Config& config, std::vector<std::string> all) {
  std::ranges::sort(all);
  TopicMatch match;
  std::set<std::string> matched;
  for (const auto& text : config.kafka.patterns) {
    const config::TopicPattern pattern(text);
    auto& topics = match.of_pattern[text];
    std::ranges::copy_if(all, std::back_inserter(topics),
                         [&](const std::string& topic) { return pattern.matches(topic); });
    matched.insert(topics.begin(), topics.end());
  }
  config::TopicTables tables(config::topic_bytes_max(config.store));
  for (const auto& topic : config.kafka.topics) {
    matched.erase(topic);
    // The configuration has refused names that are refused here.
    static_cast<void>(tables.claim(topic));
  }
  match.topics.assign(matched.begin(), matched.end());
  for (const auto& topic : match.topics) {
    if (const auto why_not = tables.claim(topic)) match.refused[topic] = *why_not;
  }
  return match;
}

}  // namespace bronze::commands
