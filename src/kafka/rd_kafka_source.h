#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/event_log.h"
#include "kafka/consumer.h"
#include "kafka/handles.h"
#include "kafka/message_headers.h"
#include "kafka/message_source.h"
#include "kafka/polled_events.h"

namespace bronze::kafka {

/// The MessageSource over librdkafka: one consumer, one queue for everything but the answers to
/// requests, which do not wait behind records.
///
/// Owned by the app, used by the ingest thread. Answers an assignment at once with nothing and
/// adds partitions one lane at a time by `start`, so that no lane waits for another. While a
/// revocation waits for its answer, `start` and `stop` are put off until `release`, because
/// librdkafka takes any unassign call for that answer.
class RdKafkaSource final : public MessageSource {
 public:
  /// `log` outlives it. Throws SettingsRefused when librdkafka refuses the settings as a whole.
  /// REQUIRES: refused_properties(settings) is empty.
  RdKafkaSource(const SourceSettings& settings, EventLog& log);
  ~RdKafkaSource() override;
  RdKafkaSource(const RdKafkaSource&) = delete;
  RdKafkaSource& operator=(const RdKafkaSource&) = delete;

  void subscribe(const std::vector<std::string>& topics) override;
  [[nodiscard]] Event poll(std::chrono::milliseconds max_wait) override;
  [[nodiscard]] Event poll_answer() override;
  void wake() override;
  void start(const std::vector<StartPosition>& positions) override;
  void stop(const std::vector<TopicPartition>& partitions) override;
  [[nodiscard]] std::optional<Offset> end_of(const std::string& topic,
                                             Partition partition) const override;
  void release(const std::vector<TopicPartition>& partitions) override;
  void pause(const std::vector<TopicPartition>& partitions) override;
  void resume(const std::vector<TopicPartition>& partitions) override;
  [[nodiscard]] RequestId describe_topics(const std::vector<std::string>& topics,
                                          std::chrono::milliseconds timeout) override;
  [[nodiscard]] RequestId list_offsets(const std::string& topic,
                                       const std::vector<Partition>& partitions, OffsetSpec spec,
                                       std::int64_t unix_ms) override;
  [[nodiscard]] RequestId list_ends(const std::vector<TopicPartition>& partitions) override;
  [[nodiscard]] RequestId list_group_offsets(const std::string& topic,
                                             const std::vector<Partition>& partitions) override;
  void commit(const std::vector<CommitPosition>& positions) override;
  void close() override;

 private:
  /// nullptr = nothing came within `max_wait`.
  [[nodiscard]] EventHandle next(std::chrono::milliseconds max_wait);
  [[nodiscard]] EventHandle next_answer();
  [[nodiscard]] Event translate(rd_kafka_event_t* event);
  [[nodiscard]] Event translate_message(rd_kafka_event_t* event);
  [[nodiscard]] Event translate_rebalance(rd_kafka_event_t* event);
  [[nodiscard]] Event translate_error(rd_kafka_event_t* event);
  /// The name or pattern that an error is about: librdkafka says it in the text alone when there is
  /// no such topic. Empty = none.
  [[nodiscard]] std::string subscribed_in(const std::string& text) const;
  [[nodiscard]] bool is_stopping(const char* topic, std::int32_t partition) const;
  [[nodiscard]] Event translate_description(rd_kafka_event_t* event);
  /// Empty = the broker did not tell.
  [[nodiscard]] std::string cluster_id() const;
  void assign_now(const std::vector<StartPosition>& positions);
  void unassign_now(const std::vector<TopicPartition>& partitions);
  /// Each entry's offset is what is asked for.
  [[nodiscard]] RequestId list_offsets(rd_kafka_topic_partition_list_t* wanted);
  [[nodiscard]] AdminOptionsHandle admin_options(rd_kafka_admin_op_t operation,
                                                 std::chrono::milliseconds timeout);

  const std::string group_;
  EventLog& log_;
  std::vector<std::string> subscription_;
  Consumer consumer_;
  QueueHandle answers_;
  /// Requests without an answer.
  std::size_t unanswered_ = 0;
  PolledEvents polled_;
  /// What the record handed out last points into.
  EventHandle current_;
  MessageHeaders headers_;
  RequestId last_request_ = 0;
  /// Of `list_ends`.
  RequestId ends_request_ = 0;
  bool closing_ = false;
  bool revoke_pending_ = false;
  bool warned_of_missing_ids_ = false;
  /// In order; a vector of starts or of stops.
  std::vector<std::variant<std::vector<StartPosition>, std::vector<TopicPartition>>> put_off_;
  /// Partitions whose stop is put off: what still comes of them is dropped.
  std::set<TopicPartition> stopping_;
  /// What librdkafka has been told to read.
  std::set<TopicPartition> reading_;
};

}  // namespace bronze::kafka
