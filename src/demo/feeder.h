#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "demo/events.h"
#include "demo/ledger.h"
#include "demo/pace.h"
#include "kafka/group_offsets.h"
#include "kafka/producer.h"

namespace bronze::demo {

struct FeederSettings {
  /// Events a second over all topics.
  std::uint64_t rate = 0;
  std::size_t partitions = 0;
  /// How much of a partition may be in no table yet, uncompressed.
  std::uint64_t unwritten_bytes_max = 0;
  std::uint64_t seed = 0;
};

/// What the feeder works with; all outlive it.
struct FeederParts {
  /// Made for k_topics.
  kafka::Producer& producer;
  kafka::GroupOffsets& offsets;
  const Clock& clock;
};

struct FeedReport {
  /// In the order of k_topics.
  std::vector<TopicCount> topics;
  /// Kafka has acknowledged everything, and all of it is in the tables.
  bool all_written = false;
  /// Why nothing is produced any more; empty = all well.
  std::string failure;
};

/// Produces events on a thread of its own, and asks Kafka again and again how far the service has
/// got. Begins at once.
class Feeder {
 public:
  Feeder(const FeederSettings& settings, FeederParts parts);
  ~Feeder();
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  /// No new events from now on; the report goes on. From any thread.
  void stop_producing();
  /// From any thread.
  [[nodiscard]] FeedReport report() const;

 private:
  void run(const std::stop_token& stopped);
  void produce_what_is_due();
  [[nodiscard]] bool produce(const Event& event);
  void ask_what_is_written();

  const FeederSettings settings_;
  const FeederParts parts_;
  const std::vector<kafka::TopicPartition> partitions_;
  /// Feeder's thread only.
  EventStream events_;
  Pace pace_;
  /// Taken from the stream and not yet sent.
  std::optional<Event> held_;

  mutable std::mutex mutex_;
  /// Guarded by mutex_.
  Ledger ledger_;
  bool producing_ = true;
  bool acknowledged_ = true;
  std::string failure_;

  std::jthread thread_;
};

/// The partition of a key: the same key always goes to the same one.
[[nodiscard]] Partition partition_of(std::string_view key, std::size_t partitions);

}  // namespace bronze::demo
