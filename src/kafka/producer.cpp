#include "kafka/producer.h"

#include <stdexcept>

#include "kafka/client.h"

namespace bronze::kafka {

Producer::Producer(const std::string& bootstrap_servers, const std::vector<std::string>& topics)
    : client_(make_client({.type = RD_KAFKA_PRODUCER,
                           .properties = {{"bootstrap.servers", bootstrap_servers},
                                          {"client.id", "producer"},
                                          {"compression.type", "lz4"},
                                          {"linger.ms", "100"},
                                          {"queue.buffering.max.kbytes", "16384"}},
                           .reports = &Producer::on_report,
                           .opaque = this})) {
  topics_.reserve(topics.size());
  for (const auto& topic : topics) {
    topics_.emplace_back(rd_kafka_topic_new(client_.get(), topic.c_str(), nullptr));
  }
}

void Producer::on_report(rd_kafka_t* /*client*/, const rd_kafka_message_t* message,
                         void* producer) {
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) return;
  static_cast<Producer*>(producer)->failure_ = std::string(rd_kafka_topic_name(message->rkt)) +
                                               " partition " + std::to_string(message->partition) +
                                               ": " + rd_kafka_err2str(message->err);
}

Producer::Sent Producer::send(const OutgoingRecord& record) {
  // With this flag librdkafka copies the value and leaves it as it is.
  void* const value = const_cast<char*>(record.value.data());
  if (rd_kafka_produce(topics_[record.topic].get(), number(record.partition), RD_KAFKA_MSG_F_COPY,
                       value, record.value.size(), record.key.data(), record.key.size(),
                       nullptr) == 0) {
    return Sent::kTaken;
  }
  const rd_kafka_resp_err_t error = rd_kafka_last_error();
  if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) return Sent::kQueueFull;
  throw std::runtime_error("Kafka: a record for " +
                           std::string(rd_kafka_topic_name(topics_[record.topic].get())) +
                           " cannot be sent: " + rd_kafka_err2str(error));
}

void Producer::serve() { rd_kafka_poll(client_.get(), 0); }

std::size_t Producer::in_flight() const {
  return static_cast<std::size_t>(rd_kafka_outq_len(client_.get()));
}

}  // namespace bronze::kafka
