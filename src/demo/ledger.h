#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"

namespace bronze::demo {

/// What became of the events of one topic.
struct TopicCount {
  std::uint64_t produced = 0;
  /// Of the values.
  std::uint64_t bytes = 0;
  /// In the table, by the offsets that the service has committed.
  std::uint64_t written = 0;
  /// Age of the oldest event that is not in the table yet; zero = all are.
  Duration behind{};
};

/// Keeps account of what was produced to and what was written from each partition, so that
/// production can follow consumption. All partitions begin at offset 0. No I/O, no threads.
class Ledger {
 public:
  /// `unwritten_bytes_max`: how much of a partition may be produced and not written.
  Ledger(std::size_t topics, std::size_t partitions, std::uint64_t unwritten_bytes_max);

  /// Whether the partition may get `bytes` more.
  [[nodiscard]] bool has_room(std::size_t topic, Partition partition, std::size_t bytes) const;
  void on_produced(std::size_t topic, Partition partition, std::size_t bytes, SteadyTime now);
  /// All before `next` is in the table. An offset below an earlier one changes nothing.
  void on_written(std::size_t topic, Partition partition, Offset next);

  [[nodiscard]] TopicCount count(std::size_t topic, SteadyTime now) const;
  [[nodiscard]] bool all_written() const;

 private:
  struct PartitionEntry {
    std::uint64_t produced = 0;
    std::uint64_t written = 0;
    /// Of each record that is not written, in order, and their sum.
    std::deque<std::uint32_t> unwritten;
    std::uint64_t unwritten_bytes = 0;
  };
  /// The topic's events from the `count`th on were produced at `at` or later.
  struct Sample {
    SteadyTime at;
    std::uint64_t count = 0;
  };
  struct TopicEntry {
    std::uint64_t bytes = 0;
    std::uint64_t produced = 0;
    std::uint64_t written = 0;
    std::vector<PartitionEntry> partitions;
    /// In order; the first is of the oldest event that is not written.
    std::deque<Sample> samples;
  };

  const std::uint64_t unwritten_bytes_max_;
  std::vector<TopicEntry> topics_;
};

}  // namespace bronze::demo
