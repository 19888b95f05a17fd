#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "kafka/handles.h"

namespace bronze::kafka {

struct OutgoingRecord {
  /// Index into the producer's topics.
  std::size_t topic = 0;
  Partition partition{};
  std::string_view key;
  std::string_view value;
};

/// Sends records to Kafka. One thread at a time.
class Producer {
 public:
  /// Throws std::runtime_error when librdkafka refuses the settings.
  Producer(const std::string& bootstrap_servers, const std::vector<std::string>& topics);
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  enum class Sent { kTaken, kQueueFull };
  /// Copies the record into the send queue; never waits. Throws std::runtime_error when the record
  /// can never be sent.
  [[nodiscard]] Sent send(const OutgoingRecord& record);

  /// Takes the answers that have come; never waits.
  void serve();

  /// Taken, and neither acknowledged nor failed; as of the last `serve`.
  [[nodiscard]] std::size_t in_flight() const;
  /// Empty = Kafka has acknowledged everything that is no longer in flight.
  [[nodiscard]] const std::string& failure() const { return failure_; }

 private:
  static void on_report(rd_kafka_t* client, const rd_kafka_message_t* message, void* producer);

  std::string failure_;
  ClientHandle client_;
  std::vector<Handle<rd_kafka_topic_t, rd_kafka_topic_destroy>> topics_;
};

}  // namespace bronze::kafka
