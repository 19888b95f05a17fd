#include "ingest/topic_watch.h"

#include <algorithm>
#include <utility>

namespace bronze::ingest {
namespace {

constexpr std::chrono::milliseconds k_pause_after_error{500};
constexpr std::chrono::milliseconds k_timeout{3'000};
constexpr std::chrono::milliseconds k_pause_while_down{5'000};
constexpr std::chrono::milliseconds k_timeout_while_down{1'000};

}  // namespace

TopicWatch::TopicWatch(kafka::MessageSource& source, const Clock& clock, Settings settings)
    : source_(source),
      clock_(clock),
      settings_(std::move(settings)),
      not_before_(clock.now()),
      refresh_at_(clock.now() + settings_.refresh) {}

const kafka::TopicDescription* TopicWatch::after(std::uint64_t count, const std::string& topic) {
  const auto found = answers_.find(topic);
  if (found != answers_.end() && found->second.number > count) return &found->second.description;
  wanted_ = true;
  wanted_after_ = std::max(wanted_after_, count);
  return nullptr;
}

void TopicWatch::on_described(const kafka::TopicsDescribed& answer) {
  if (in_flight_ != answer.request) return;
  in_flight_.reset();
  last_error_ = answer.error;
  refresh_at_ = clock_.now() + settings_.refresh;
  if (!answer.error.empty()) {
    wanted_ = true;
    not_before_ = clock_.now() + (brokers_down_ ? k_pause_while_down : k_pause_after_error);
    brokers_down_ = true;
    return;
  }
  brokers_down_ = false;
  last_answer_ = clock_.now();
  for (const auto& topic : answer.topics) {
    answers_[topic.topic] = {topic, sent_};
    if (!topic.error.empty()) not_before_ = clock_.now() + k_pause_after_error;
  }
  wanted_ = wanted_after_ >= sent_;
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
  in_flight_ =
      source_.describe_topics(settings_.topics, brokers_down_ ? k_timeout_while_down : k_timeout);
}

SteadyTime TopicWatch::next_deadline() const {
  if (in_flight_) return SteadyTime::max();
  return wanted_ ? not_before_ : refresh_at_;
}

}  // namespace bronze::ingest
