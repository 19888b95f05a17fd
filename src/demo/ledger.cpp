#include "demo/ledger.h"

#include <algorithm>

namespace bronze::demo {
namespace {

/// How exactly the age of an event is known.
constexpr std::chrono::milliseconds k_sample_interval{50};

std::size_t index(Partition partition) { return static_cast<std::size_t>(number(partition)); }

}  // namespace

Ledger::Ledger(std::size_t topics, std::size_t partitions, std::uint64_t unwritten_bytes_max)
    : unwritten_bytes_max_(unwritten_bytes_max), topics_(topics) {
  for (auto& topic : topics_) topic.partitions.resize(partitions);
}

bool Ledger::has_room(std::size_t topic, Partition partition, std::size_t bytes) const {
  const PartitionEntry& entry = topics_[topic].partitions[index(partition)];
  return entry.unwritten_bytes + bytes <= unwritten_bytes_max_;
}

void Ledger::on_produced(std::size_t topic, Partition partition, std::size_t bytes,
                         SteadyTime now) {
  TopicEntry& entry = topics_[topic];
  if (entry.written == entry.produced) entry.samples.clear();
  if (entry.samples.empty() || now - entry.samples.back().at >= k_sample_interval) {
    entry.samples.push_back({now, entry.produced});
  }
  PartitionEntry& of_partition = entry.partitions[index(partition)];
  ++of_partition.produced;
  of_partition.unwritten.push_back(static_cast<std::uint32_t>(bytes));
  of_partition.unwritten_bytes += bytes;
  ++entry.produced;
  entry.bytes += bytes;
}

void Ledger::on_written(std::size_t topic, Partition partition, Offset next) {
  TopicEntry& entry = topics_[topic];
  PartitionEntry& of_partition = entry.partitions[index(partition)];
  const auto written = static_cast<std::uint64_t>(std::max<std::int64_t>(next.value, 0));
  if (written <= of_partition.written) return;
  entry.written += written - of_partition.written;
  of_partition.written = written;
  while (of_partition.unwritten.size() + written > of_partition.produced &&
         !of_partition.unwritten.empty()) {
    of_partition.unwritten_bytes -= of_partition.unwritten.front();
    of_partition.unwritten.pop_front();
  }
  while (entry.samples.size() > 1 && entry.samples[1].count <= entry.written) {
    entry.samples.pop_front();
  }
}

TopicCount Ledger::count(std::size_t topic, SteadyTime now) const {
  const TopicEntry& entry = topics_[topic];
  const bool behind = entry.written < entry.produced;
  return {.produced = entry.produced,
          .bytes = entry.bytes,
          .written = entry.written,
          .behind = behind ? now - entry.samples.front().at : Duration{}};
}

bool Ledger::all_written() const {
  return std::ranges::all_of(topics_, [](const TopicEntry& topic) {
    return std::ranges::all_of(topic.partitions, [](const PartitionEntry& partition) {
      return partition.written >= partition.produced;
    });
  });
}

}  // namespace bronze::demo
