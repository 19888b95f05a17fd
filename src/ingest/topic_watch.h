#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
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

  TopicWatch(kafka::MessageSource& source, const Clock& clock, const Settings& settings);

  struct Answer {
    kafka::TopicDescription description;
    /// Of the last answer that showed a topic.
    TopicIdentity last_shown;
    /// How many requests had been sent, this one included.
    std::uint64_t number = 0;
    /// Each topic that answers have shown under the name, by its id: the last such answer.
    std::map<std::string, std::uint64_t> seen;
    /// Since when answers have shown no other topic than the last one shown.
    std::optional<SteadyTime> shown_since;
    /// Since when answers have said that there is no such topic.
    std::optional<SteadyTime> unknown_since;
  };

  /// From the next request on, this topic is asked about too.
  void watch(const std::string& topic) { topics_.insert(topic); }
  void forget(const std::string& topic);

  /// Requests sent so far. An answer proves something about the time after an event when its
  /// number is greater than this count at the event.
  [[nodiscard]] std::uint64_t sent() const { return sent_; }

  /// The answer about `topic`, if it was sent after `count` requests; otherwise one is asked for.
  [[nodiscard]] const kafka::TopicDescription* after(std::uint64_t count, const std::string& topic);

  /// An answer sent after `count` requests, be it the last or one before, showed this identity.
  [[nodiscard]] bool was_seen(std::uint64_t count, const std::string& topic,
                              const TopicIdentity& identity) const;
  /// The topic of the last answer that showed one; nullptr = none has yet.
  [[nodiscard]] const TopicIdentity* shown(const std::string& topic) const;
  /// How long answers have shown this identity and no other; zero = they do not.
  [[nodiscard]] Duration shown_for(const std::string& topic, const TopicIdentity& identity) const;
  /// The topic was there, and is not any more: for so long that no broker that has just started
  /// and does not know its topics yet explains it.
  [[nodiscard]] bool is_deleted(const std::string& topic) const;

  /// Since when Kafka has said of each of the topics that there is none; nullopt = it has not.
  [[nodiscard]] std::optional<SteadyTime> all_unknown_since() const;
  /// Kafka last refused to describe the topic, which may well be there.
  [[nodiscard]] bool is_withheld(const std::string& topic) const;

  void on_described(const kafka::TopicsDescribed& answer);
  /// No broker can be reached. Requests become short and rare: librdkafka turns in circles at full
  /// speed while an admin request waits for a broker.
  void on_brokers_down() { brokers_down_ = true; }
  [[nodiscard]] bool brokers_down() const { return brokers_down_; }
  void tick();
  [[nodiscard]] SteadyTime next_deadline() const;

  /// Whether any of the topics is known to have partitions.
  [[nodiscard]] bool any_partitions() const;

  /// When Kafka answered last.
  [[nodiscard]] std::optional<SteadyTime> last_answer() const { return last_answer_; }
  /// Why it did not, lately; empty = it did.
  [[nodiscard]] const std::string& last_error() const { return last_error_; }

 private:
  void note(const kafka::TopicDescription& topic);

  kafka::MessageSource& source_;
  const Clock& clock_;
  const Duration refresh_;
  std::set<std::string> topics_;
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
