#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

#include "kafka/handles.h"
#include "kafka/message_source.h"

namespace bronze::kafka {

/// Events that were taken out of a queue together: one, or as many records as lay ready. Owned by
/// the source; ingest thread.
class PolledEvents {
 public:
  PolledEvents() = default;
  ~PolledEvents();
  PolledEvents(const PolledEvents&) = delete;
  PolledEvents& operator=(const PolledEvents&) = delete;

  /// In the queue's order; nullptr = nothing came within `max_wait`.
  [[nodiscard]] EventHandle next(rd_kafka_queue_t* queue, std::chrono::milliseconds max_wait);
  /// The next one would be taken out of the queue.
  [[nodiscard]] bool empty() const { return first_ == end_; }
  /// Forgets the records of these partitions: where they are read on is said anew.
  void drop(const std::vector<TopicPartition>& partitions);

 private:
  /// Records beyond librdkafka's own limits, so few.
  static constexpr std::size_t k_events_max = 64;
  static constexpr std::size_t k_bytes_max = std::size_t{64} * 1024;

  std::array<rd_kafka_event_t*, k_events_max> events_{};
  /// Those in [first_, end_) have not been handed out; nullptr = dropped.
  std::size_t first_ = 0;
  std::size_t end_ = 0;
};

}  // namespace bronze::kafka
