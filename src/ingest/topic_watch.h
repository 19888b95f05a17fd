#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kafka/message_source.h"

namespace bronze::ingest {

/// Asks Kafka which topics stand behind the names: one request for all lanes, repeated while any
/// lane needs a younger answer and now and then besides, which also shows that a broker answers.
/// Owned by Ingest; ingest thread.
class TopicWatch {
 public:
  struct Settings {
    std::vector<std::string> topics;
    /// A request at least so often.
    Duration refresh{};
  };

  TopicWatch(kafka::MessageSource& source, const Clock& clock, Settings settings);

  struct Answer {
    kafka::TopicDescription description;
    /// How many requests had been sent, this one included.
    std::uint64_t number = 0;
  };

  /// Requests sent so far. An answer proves something about the time after an event when its
  /// number is greater than this count at the event.
  [[nodiscard]] std::uint64_t sent() const { return sent_; }

  /// The answer about `topic`, if it was sent after `count` requests; otherwise one is asked for.
  [[nodiscard]] const kafka::TopicDescription* after(std::uint64_t count, const std::string& topic);

  void on_described(const kafka::TopicsDescribed& answer);
  /// No broker can be reached. Requests become short and rare: librdkafka turns in circles at full
  /// speed while an admin request waits for a broker.
  void on_brokers_down() { brokers_down_ = true; }
  void tick();
  [[nodiscard]] SteadyTime next_deadline() const;

  /// Whether any of the topics is known to have partitions.
  [[nodiscard]] bool any_partitions() const;

  /// When Kafka answered last.
  [[nodiscard]] std::optional<SteadyTime> last_answer() const { return last_answer_; }
  /// Why it did not, lately; empty = it did.
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

 private:
  kafka::MessageSource& source_;
  const Clock& clock_;
  const Settings settings_;
  std::uint64_t sent_ = 0;
  std::uint64_t wanted_after_ = 0;
  bool wanted_ = true;
  bool brokers_down_ = false;
  std::optional<kafka::RequestId> in_flight_;
  SteadyTime not_before_;
  SteadyTime refresh_at_;
  std::map<std::string, Answer> answers_;
  std::optional<SteadyTime> last_answer_;
  std::string last_error_;
};

}  // namespace bronze::ingest
