#include "demo/feeder.h"

#include <algorithm>
#include <exception>

namespace bronze::demo {
namespace {

constexpr std::chrono::milliseconds k_turn{5};
constexpr std::chrono::milliseconds k_ask_interval{100};
constexpr std::chrono::milliseconds k_ask_timeout{2'000};
/// Between two looks at the clock.
constexpr std::uint64_t k_events_a_turn_max = 2'000;

std::vector<kafka::TopicPartition> all_partitions(std::size_t partitions) {
  std::vector<kafka::TopicPartition> all;
  for (const auto topic : k_topics) {
    for (std::size_t i = 0; i < partitions; ++i) {
      all.push_back({std::string(topic), Partition{static_cast<std::int32_t>(i)}});
    }
  }
  return all;
}

}  // namespace

Partition partition_of(std::string_view key, std::size_t partitions) {
  // FNV-1a, and the first steps of MurmurHash's finish, without which short keys fall together.
  std::uint64_t hash = 14'695'981'039'346'656'037U;
  for (const char c : key) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  }
  hash = (hash ^ (hash >> 33U)) * 0xFF51AFD7ED558CCDU;
  hash ^= hash >> 33U;
  return Partition{static_cast<std::int32_t>(hash % partitions)};
}

Feeder::Feeder(const FeederSettings& settings, FeederParts parts)
    : settings_(settings),
      parts_(parts),
      partitions_(all_partitions(settings.partitions)),
      events_(settings.seed),
      pace_(settings.rate, parts.clock.now()),
      ledger_(k_topics.size(), settings.partitions, settings.unwritten_bytes_max),
      thread_([this](const std::stop_token& stopped) { run(stopped); }) {}

Feeder::~Feeder() = default;

void Feeder::stop_producing() {
  const std::lock_guard lock(mutex_);
  producing_ = false;
}

FeedReport Feeder::report() const {
  const std::lock_guard lock(mutex_);
  FeedReport report{
      .topics = {}, .all_written = acknowledged_ && ledger_.all_written(), .failure = failure_};
  const SteadyTime now = parts_.clock.now();
  for (std::size_t i = 0; i < k_topics.size(); ++i) report.topics.push_back(ledger_.count(i, now));
  return report;
}

void Feeder::run(const std::stop_token& stopped) {
  SteadyTime ask_at = parts_.clock.now();
  try {
    while (!stopped.stop_requested()) {
      produce_what_is_due();
      parts_.producer.serve();
      if (const SteadyTime now = parts_.clock.now(); now >= ask_at) {
        ask_what_is_written();
        ask_at = now + k_ask_interval;
      }
      std::this_thread::sleep_for(k_turn);
    }
  } catch (const std::exception& error) {
    const std::lock_guard lock(mutex_);
    failure_ = error.what();
  }
}

void Feeder::produce_what_is_due() {
  const std::lock_guard lock(mutex_);
  acknowledged_ = parts_.producer.in_flight() == 0;
  failure_ = parts_.producer.failure();
  if (!producing_) return;
  const std::uint64_t due = std::min(pace_.due(parts_.clock.now()), k_events_a_turn_max);
  std::uint64_t produced = 0;
  for (; produced < due; ++produced) {
    if (!held_) held_ = events_.next(parts_.clock.wall());
    if (!produce(*held_)) break;
    held_.reset();
  }
  pace_.spend(produced);
}

/// False = not now.
bool Feeder::produce(const Event& event) {
  const Partition partition = partition_of(event.key, settings_.partitions);
  if (!ledger_.has_room(event.topic, partition, event.value.size())) return false;
  const kafka::OutgoingRecord record{
      .topic = event.topic, .partition = partition, .key = event.key, .value = event.value};
  if (parts_.producer.send(record) == kafka::Producer::Sent::kQueueFull) return false;
  acknowledged_ = false;
  ledger_.on_produced(event.topic, partition, event.value.size(), parts_.clock.now());
  return true;
}

void Feeder::ask_what_is_written() {
  const auto committed = parts_.offsets.ask(partitions_, k_ask_timeout);
  if (!committed) return;
  const std::lock_guard lock(mutex_);
  for (const auto& [place, next] : *committed) {
    const auto topic = std::ranges::find(k_topics, std::string_view(place.topic));
    if (topic == k_topics.end()) continue;
    ledger_.on_written(static_cast<std::size_t>(topic - k_topics.begin()), place.partition, next);
  }
}

}  // namespace bronze::demo
