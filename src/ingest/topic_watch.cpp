#include "ingest/topic_watch.h"

#include <algorithm>
#include <utility>

namespace bronze::ingest {
namespace {

constexpr std::chrono::milliseconds k_pause_after_error{500};
constexpr std::chrono::milliseconds k_timeout{3'000};
constexpr std::chrono::milliseconds k_pause_while_down{5'000};
constexpr std::chrono::milliseconds k_timeout_while_down{1'000};
constexpr std::chrono::seconds k_unknown_topic_patience{10};
/// Asked about while there is no topic to ask about: any answer shows that a broker is there.
constexpr const char* k_any_topic = "__consumer_offsets";

}  // namespace

TopicWatch::TopicWatch(kafka::MessageSource& source, const Clock& clock, const Settings& settings)
    : source_(source),
      clock_(clock),
      refresh_(settings.refresh),
      topics_(settings.topics.begin(), settings.topics.end()),
      not_before_(clock.now()),
      refresh_at_(clock.now() + refresh_) {}

void TopicWatch::forget(const std::string& topic) {
  topics_.erase(topic);
  answers_.erase(topic);
}

const kafka::TopicDescription* TopicWatch::after(std::uint64_t count, const std::string& topic) {
  const auto found = answers_.find(topic);
  if (found != answers_.end() && found->second.number > count) return &found->second.description;
  wanted_ = true;
  wanted_after_ = std::max(wanted_after_, count);
  return nullptr;
}

bool TopicWatch::was_seen(std::uint64_t count, const std::string& topic,
                          const TopicIdentity& identity) const {
  const auto found = answers_.find(topic);
  if (found == answers_.end()) return false;
  const auto seen = found->second.seen.find(identity.text);
  return seen != found->second.seen.end() && seen->second > count;
}

const TopicIdentity* TopicWatch::shown(const std::string& topic) const {
  const auto found = answers_.find(topic);
  if (found == answers_.end() || !found->second.shown_since) return nullptr;
  return &found->second.last_shown;
}

Duration TopicWatch::shown_for(const std::string& topic, const TopicIdentity& identity) const {
  const TopicIdentity* last = shown(topic);
  if (last == nullptr || *last != identity) return Duration{};
  return clock_.now() - *answers_.at(topic).shown_since;
}

bool TopicWatch::is_deleted(const std::string& topic) const {
  const auto found = answers_.find(topic);
  if (found == answers_.end() || found->second.seen.empty()) return false;
  const auto& since = found->second.unknown_since;
  return since && clock_.now() - *since >= k_unknown_topic_patience;
}

std::optional<SteadyTime> TopicWatch::all_unknown_since() const {
  SteadyTime since = SteadyTime::min();
  for (const auto& topic : topics_) {
    const auto found = answers_.find(topic);
    if (found == answers_.end() || !found->second.unknown_since) return std::nullopt;
    since = std::max(since, *found->second.unknown_since);
  }
  return since;
}

bool TopicWatch::is_withheld(const std::string& topic) const {
  const auto found = answers_.find(topic);
  if (found == answers_.end()) return false;
  const auto& description = found->second.description;
  return !description.error.empty() && !description.unknown;
}

void TopicWatch::on_described(const kafka::TopicsDescribed& answer) {
  if (in_flight_ != answer.request) return;
  in_flight_.reset();
  last_error_ = answer.error;
  refresh_at_ = clock_.now() + refresh_;
  if (!answer.error.empty()) {
    wanted_ = true;
    not_before_ = clock_.now() + (brokers_down_ ? k_pause_while_down : k_pause_after_error);
    brokers_down_ = true;
    return;
  }
  brokers_down_ = false;
  last_answer_ = clock_.now();
  for (const auto& topic : answer.topics) {
    if (!topics_.contains(topic.topic)) continue;
    note(topic);
    if (!topic.error.empty()) not_before_ = clock_.now() + k_pause_after_error;
  }
  wanted_ = wanted_after_ >= sent_;
}

void TopicWatch::note(const kafka::TopicDescription& topic) {
  Answer& known = answers_[topic.topic];
  known.description = topic;
  known.number = sent_;
  if (topic.error.empty()) {
    known.seen[topic.identity.text] = sent_;
    if (!known.shown_since || known.last_shown != topic.identity) known.shown_since = clock_.now();
    known.last_shown = topic.identity;
  }
  if (!topic.unknown) {
    known.unknown_since.reset();
  } else if (!known.unknown_since) {
    known.unknown_since = clock_.now();
  }
}

bool TopicWatch::any_partitions() const {
  return std::any_of(answers_.begin(), answers_.end(), [](const auto& entry) {
    return !entry.second.description.partitions.empty();
  });
}

void TopicWatch::tick() {
  const SteadyTime now = clock_.now();
  if (in_flight_ || now < not_before_ || !(wanted_ || now >= refresh_at_)) return;
  ++sent_;
  std::vector<std::string> topics(topics_.begin(), topics_.end());
  if (topics.empty()) topics.emplace_back(k_any_topic);
  in_flight_ = source_.describe_topics(topics, brokers_down_ ? k_timeout_while_down : k_timeout);
}

SteadyTime TopicWatch::next_deadline() const {
  if (in_flight_) return SteadyTime::max();
  return wanted_ ? not_before_ : refresh_at_;
}

}  // namespace bronze::ingest
