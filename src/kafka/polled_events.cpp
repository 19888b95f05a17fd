#include "kafka/polled_events.h"

#include <algorithm>
#include <utility>

namespace bronze::kafka {
namespace {

bool is_record_of(rd_kafka_event_t* event, const std::vector<TopicPartition>& partitions) {
  if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_FETCH) return false;
  const TopicPartitionHandle place(rd_kafka_event_topic_partition(event));
  return place && std::any_of(partitions.begin(), partitions.end(), [&](const auto& entry) {
           return number(entry.partition) == place->partition && entry.topic == place->topic;
         });
}

}  // namespace

PolledEvents::~PolledEvents() {
  std::for_each(events_.begin() + static_cast<std::ptrdiff_t>(first_),
                events_.begin() + static_cast<std::ptrdiff_t>(end_), rd_kafka_event_destroy);
}

EventHandle PolledEvents::next(rd_kafka_queue_t* queue, std::chrono::milliseconds max_wait) {
  while (first_ < end_ && events_[first_] == nullptr) ++first_;
  if (first_ == end_) {
    first_ = 0;
    end_ = rd_kafka_queue_poll_batch(queue, static_cast<int>(max_wait.count()), events_.data(),
                                     events_.size(), k_bytes_max);
    if (end_ == 0) return nullptr;
  }
  return EventHandle(std::exchange(events_[first_++], nullptr));
}

void PolledEvents::drop(const std::vector<TopicPartition>& partitions) {
  for (std::size_t i = first_; i < end_; ++i) {
    if (events_[i] == nullptr || !is_record_of(events_[i], partitions)) continue;
    rd_kafka_event_destroy(std::exchange(events_[i], nullptr));
  }
}

}  // namespace bronze::kafka
