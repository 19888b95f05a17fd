#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "kafka/message_source.h"

namespace bronze::fakes {

using kafka::TopicPartition;

/// One entry of a partition's log.
struct LogRecord {
  enum class Kind { kValue, kTombstone, kNoJson, kInvalidUtf8, kControl };
  Kind kind = Kind::kValue;
  std::string value;
};

struct FakeTopic {
  TopicIdentity identity;
  std::map<Partition, std::vector<LogRecord>> partitions;
  /// Where the logs begin since older records were deleted; absent = at 0.
  std::map<Partition, std::int64_t> starts = {};

  [[nodiscard]] std::int64_t start_of(Partition partition) const {
    const auto found = starts.find(partition);
    return found == starts.end() ? 0 : found->second;
  }
};

/// A Kafka cluster as consumers see it: logs, and the group's offsets. Outlives its consumers.
class FakeKafka {
 public:
  void create_topic(const std::string& name, int partitions) {
    FakeTopic topic;
    const int number = ++topics_created_;
    topic.identity = {name + "~" + std::to_string(number), number};
    for (int p = 0; p < partitions; ++p) topic.partitions[Partition{p}];
    topics_[name] = topic;
    all_by_identity_[topic.identity.text] = name;
  }

  /// Deletes the topic and creates another of its name.
  void recreate_topic(const std::string& name) {
    retired_[topics_.at(name).identity.text] = topics_.at(name);
    create_topic(name, static_cast<int>(topics_.at(name).partitions.size()));
  }

  void delete_topic(const std::string& name) {
    retired_[topics_.at(name).identity.text] = topics_.at(name);
    topics_.erase(name);
  }
  [[nodiscard]] bool has_topic(const std::string& name) const { return topics_.contains(name); }

  void add_partition(const std::string& name) {
    auto& partitions = topics_.at(name).partitions;
    partitions[Partition{static_cast<int>(partitions.size())}];
  }

  /// What retention and DeleteRecords do: the log begins at `before`, if it is that long.
  void delete_records(const std::string& name, Partition partition, std::int64_t before) {
    FakeTopic& topic = topics_.at(name);
    const auto end = static_cast<std::int64_t>(topic.partitions.at(partition).size());
    topic.starts[partition] = std::max(topic.start_of(partition), std::min(before, end));
  }

  void produce(const std::string& name, Partition partition, LogRecord::Kind kind) {
    FakeTopic& topic = topics_.at(name);
    auto& log = topic.partitions.at(partition);
    std::string value = topic.identity.text + "/" + std::to_string(number(partition)) + "/" +
                        std::to_string(log.size());
    if (kind != LogRecord::Kind::kNoJson) value = '"' + value + '"';
    if (kind == LogRecord::Kind::kInvalidUtf8) value += "\xC3\x28";
    log.push_back({kind, value});
  }

  [[nodiscard]] const FakeTopic& topic(const std::string& name) const { return topics_.at(name); }
  /// The topic that bore this identity, deleted or not.
  [[nodiscard]] const FakeTopic& by_identity(const std::string& identity) const {
    const auto retired = retired_.find(identity);
    return retired != retired_.end() ? retired->second : topics_.at(all_by_identity_.at(identity));
  }
  [[nodiscard]] bool is_deleted(const std::string& identity) const {
    return retired_.contains(identity);
  }
  [[nodiscard]] const std::map<std::string, FakeTopic>& topics() const { return topics_; }

  /// Topics that nobody may look at.
  std::set<std::string> denied;
  /// Topics that nobody may read.
  std::set<std::string> unreadable;
  /// The group's committed offsets.
  std::map<TopicPartition, kafka::GroupOffset> group_offsets;

 private:
  int topics_created_ = 0;
  std::map<std::string, FakeTopic> topics_;
  std::map<std::string, FakeTopic> retired_;
  std::map<std::string, std::string> all_by_identity_;
};

/// What a test wants to know of a source, and where it may make it fail.
struct SourceHooks {
  /// Called at every call; may throw.
  std::function<void()> step = [] {};
  std::function<void(const kafka::CommitPosition&)> committed = [](const kafka::CommitPosition&) {};
  std::function<void(const std::vector<TopicPartition>&)> released =
      [](const std::vector<TopicPartition>&) {};
};

/// A consumer of FakeKafka. The test plays the group coordinator with `push`.
class FakeSource final : public kafka::MessageSource {
 public:
  FakeSource(FakeKafka& kafka, SourceHooks hooks, std::uint32_t seed)
      : kafka_(kafka), hooks_(std::move(hooks)), random_(seed) {}

  void push(kafka::Event event) { events_.push_back(std::move(event)); }
  /// Requests are answered with an error while this holds.
  bool lookups_fail = false;

  void subscribe(const std::vector<std::string>& topics) override {
    subscribed = true;
    subscription = topics;
  }
  bool subscribed = false;
  std::vector<std::string> subscription;
  /// In order, all that it was told to read.
  std::vector<kafka::StartPosition> started;

  [[nodiscard]] kafka::Event poll(std::chrono::milliseconds max_wait) override {
    hooks_.step();
    if (closing_ && events_.empty()) return kafka::Closed{};
    if (!events_.empty()) {
      kafka::Event event = std::move(events_.front());
      events_.pop_front();
      if (std::holds_alternative<kafka::TopicsDescribed>(event) && random_() % 2 == 0) {
        return describe(std::get<kafka::TopicsDescribed>(event));
      }
      return event;
    }
    kafka::Event event = next_record();
    if (std::holds_alternative<kafka::Idle>(event)) waited(max_wait);
    return event;
  }
  /// Called when nothing came in so long.
  std::function<void(std::chrono::milliseconds)> waited = [](std::chrono::milliseconds) {};

  void wake() override {}

  void start(const std::vector<kafka::StartPosition>& positions) override {
    hooks_.step();
    for (const auto& position : positions) {
      reading_[position.partition] = {.position = position.offset.value};
      started.push_back(position);
    }
  }
  void stop(const std::vector<TopicPartition>& partitions) override {
    hooks_.step();
    for (const auto& partition : partitions) reading_.erase(partition);
  }
  [[nodiscard]] std::optional<Offset> end_of(const std::string& topic,
                                             Partition partition) const override {
    const auto found = fetched_ends_.find({topic, partition});
    return found == fetched_ends_.end() ? std::nullopt : std::optional(found->second);
  }
  void release(const std::vector<TopicPartition>& partitions) override {
    hooks_.step();
    for (const auto& partition : partitions) reading_.erase(partition);
    hooks_.released(partitions);
  }
  void pause(const std::vector<TopicPartition>& partitions) override {
    paused_.insert(partitions.begin(), partitions.end());
  }
  void resume(const std::vector<TopicPartition>& partitions) override {
    for (const auto& partition : partitions) paused_.erase(partition);
  }

  [[nodiscard]] kafka::RequestId describe_topics(const std::vector<std::string>& topics,
                                                 std::chrono::milliseconds /*timeout*/) override {
    hooks_.step();
    ++describes;
    kafka::TopicsDescribed answer{.request = ++last_request_, .error = failure(), .topics = {}};
    for (const auto& name : topics) {
      kafka::TopicDescription topic;
      topic.topic = name;
      answer.topics.push_back(topic);
    }
    // As the broker saw it when the request came, or (in poll) when the answer left.
    events_.push_back(describe(std::move(answer)));
    return last_request_;
  }
  int describes = 0;

  [[nodiscard]] kafka::RequestId list_offsets(const std::string& topic,
                                              const std::vector<Partition>& partitions,
                                              kafka::OffsetSpec spec,
                                              std::int64_t /*unix_ms*/) override {
    hooks_.step();
    kafka::OffsetsListed answer{.request = ++last_request_, .error = failure(), .offsets = {}};
    if (!kafka_.has_topic(topic)) answer.error = "unknown topic";
    const FakeTopic found = kafka_.has_topic(topic) ? kafka_.topic(topic) : FakeTopic{};
    for (const Partition partition : partitions) {
      const auto log = found.partitions.find(partition);
      if (log == found.partitions.end()) continue;
      const auto end = static_cast<std::int64_t>(log->second.size());
      const std::int64_t start = found.start_of(partition);
      answer.offsets[partition] = Offset{spec == kafka::OffsetSpec::kEarliest ? start : end};
    }
    if (!answer.error.empty()) answer.offsets.clear();
    events_.emplace_back(std::move(answer));
    return last_request_;
  }

  [[nodiscard]] kafka::RequestId list_ends(const std::vector<TopicPartition>& wanted) override {
    hooks_.step();
    ++end_requests;
    kafka::EndsListed answer{.request = ++last_request_, .ends = {}};
    for (const auto& entry : wanted) {
      if (lookups_fail || !kafka_.has_topic(entry.topic)) continue;
      const auto& partitions = kafka_.topic(entry.topic).partitions;
      const auto log = partitions.find(entry.partition);
      if (log != partitions.end()) answer.ends[entry] = end_of(log->second);
    }
    events_.emplace_back(std::move(answer));
    return last_request_;
  }
  int end_requests = 0;

  [[nodiscard]] kafka::RequestId list_group_offsets(
      const std::string& topic, const std::vector<Partition>& partitions) override {
    hooks_.step();
    kafka::GroupOffsetsListed answer{.request = ++last_request_, .error = failure(), .offsets = {}};
    for (const Partition partition : partitions) {
      const auto found = kafka_.group_offsets.find({topic, partition});
      if (found != kafka_.group_offsets.end()) answer.offsets[partition] = found->second;
    }
    events_.emplace_back(std::move(answer));
    return last_request_;
  }

  void commit(const std::vector<kafka::CommitPosition>& positions) override {
    hooks_.step();
    for (const auto& position : positions) {
      kafka_.group_offsets[position.partition] = {position.offset, position.metadata};
      hooks_.committed(position);
    }
    events_.emplace_back(kafka::OffsetsCommitted{});
  }

  void close() override { closing_ = true; }

 private:
  struct Reading {
    std::int64_t position = 0;
    bool end_said = false;
    bool refusal_said = false;
  };

  [[nodiscard]] static Offset end_of(const std::vector<LogRecord>& log) {
    return Offset{static_cast<std::int64_t>(log.size())};
  }
  [[nodiscard]] std::string failure() const { return lookups_fail ? "broker not available" : ""; }

  [[nodiscard]] kafka::TopicsDescribed describe(kafka::TopicsDescribed answer) const {
    for (auto& topic : answer.topics) {
      topic.unknown = !kafka_.has_topic(topic.topic);
      topic.error = topic.unknown ? "unknown topic" : "";
      if (kafka_.denied.contains(topic.topic)) topic.error = "not authorised";
      if (!topic.error.empty()) continue;
      const FakeTopic& found = kafka_.topic(topic.topic);
      topic.identity = found.identity;
      topic.partitions.clear();
      for (const auto& [partition, log] : found.partitions) topic.partitions.push_back(partition);
    }
    return answer;
  }

  /// Like librdkafka it goes on silently in the middle of a topic that was created anew.
  [[nodiscard]] kafka::Event next_record() {
    if (reading_.empty()) return kafka::Idle{};
    auto entry =
        std::next(reading_.begin(), static_cast<std::ptrdiff_t>(random_() % reading_.size()));
    for (std::size_t tried = 0; tried < reading_.size(); ++tried, ++entry) {
      if (entry == reading_.end()) entry = reading_.begin();
      if (paused_.contains(entry->first)) continue;
      if (auto event = read(entry->first, entry->second)) return std::move(*event);
    }
    return kafka::Idle{};
  }

  [[nodiscard]] std::optional<kafka::Event> read(const TopicPartition& name, Reading& reading) {
    if (!kafka_.has_topic(name.topic)) return std::nullopt;
    const auto& partitions = kafka_.topic(name.topic).partitions;
    if (!partitions.contains(name.partition)) return std::nullopt;
    if (kafka_.unreadable.contains(name.topic)) {
      if (reading.refusal_said) return std::nullopt;
      reading.refusal_said = true;
      return kafka::TopicError{name.topic, "no right to read", true};
    }
    const auto& log = partitions.at(name.partition);
    const auto end = static_cast<std::int64_t>(log.size());
    fetched_ends_[name] = end_of(log);
    if (reading.position > end ||
        reading.position < kafka_.topic(name.topic).start_of(name.partition)) {
      kafka::PartitionReset reset{name.topic, name.partition, "offset out of range"};
      reading_.erase(name);
      return reset;
    }
    while (reading.position < end) {
      const LogRecord& record = log[static_cast<std::size_t>(reading.position)];
      const Offset offset{reading.position++};
      reading.end_said = false;
      if (record.kind == LogRecord::Kind::kControl) continue;
      current_ = record.value;
      topic_ = name.topic;
      Record found{.topic = topic_,
                   .partition = name.partition,
                   .offset = offset,
                   .timestamp_ms = offset.value,
                   .value = std::nullopt};
      if (record.kind != LogRecord::Kind::kTombstone) found.value = current_;
      return found;
    }
    if (reading.end_said) return std::nullopt;
    reading.end_said = true;
    return kafka::PartitionEnd{name.topic, name.partition, Offset{reading.position}};
  }

  FakeKafka& kafka_;
  SourceHooks hooks_;
  std::mt19937 random_;
  std::deque<kafka::Event> events_;
  std::map<TopicPartition, Reading> reading_;
  std::set<TopicPartition> paused_;
  std::map<TopicPartition, Offset> fetched_ends_;
  kafka::RequestId last_request_ = 0;
  bool closing_ = false;
  std::string current_;
  std::string topic_;
};

}  // namespace bronze::fakes
