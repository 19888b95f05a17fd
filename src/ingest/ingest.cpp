#include "ingest/ingest.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <type_traits>
#include <utility>

#include "base/kill_point.h"
#include "ingest/store_probe.h"

namespace bronze::ingest {
namespace {

constexpr std::uint64_t k_records_between_housekeeping = 256;
constexpr std::uint64_t k_bytes_between_housekeeping = std::uint64_t{1024} * 1024;
/// How long the poll waits for memory, each time before it takes one event.
constexpr std::chrono::milliseconds k_breath{5};
constexpr std::chrono::seconds k_say_every{5};
constexpr std::chrono::minutes k_remind_every{1};
constexpr std::chrono::milliseconds k_publish_every{200};
constexpr std::chrono::seconds k_probe_again{1};
constexpr std::chrono::seconds k_offsets_again{1};
constexpr std::chrono::seconds k_ends_again{10};
constexpr std::chrono::seconds k_close_timeout{5};
constexpr std::chrono::milliseconds k_close_moment{500};
/// Names the probe of the store, which belongs to no lane.
constexpr std::size_t k_no_lane = std::numeric_limits<std::size_t>::max();
/// kOnce: a first assignment without partitions may precede one with some.
constexpr std::chrono::seconds k_assignment_patience{10};
/// Kafka is said to be unreachable when no answer came for so long.
constexpr std::chrono::seconds k_kafka_silence{25};

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::map<std::string, std::vector<Partition>> by_topic(
    const std::vector<kafka::TopicPartition>& partitions) {
  std::map<std::string, std::vector<Partition>> grouped;
  for (const auto& entry : partitions) grouped[entry.topic].push_back(entry.partition);
  return grouped;
}

}  // namespace

Ingest::Ingest(IngestSettings settings, IngestParts parts, std::vector<std::unique_ptr<Lane>> lanes,
               std::function<delta::StoreOutcome()> probe, LaneFactory make_lane)
    : settings_(std::move(settings)),
      parts_(parts),
      lanes_(std::move(lanes)),
      probe_(std::move(probe)),
      make_lane_(std::move(make_lane)),
      budget_(settings_.batch_bytes_max),
      first_matched_lane_(lanes_.size()),
      next_lane_(lanes_.size()),
      started_at_(parts.clock.now()),
      probe_again_at_(started_at_),
      ends_again_at_(started_at_),
      say_again_at_(started_at_ + k_say_every),
      remind_at_(started_at_ + k_remind_every),
      publish_at_(started_at_) {
  for (const auto& lane : lanes_) {
    by_topic_.emplace(lane->topic(), lane.get());
    by_number_.emplace(lane->index(), lane.get());
    lane->set_lanes(lanes_.size());
  }
}

IngestEnd Ingest::run() {
  while (turn()) {
  }
  return end();
}

IngestEnd Ingest::end() const {
  if (failure_) return IngestEnd::kFailed;
  if (!written_in_time_) return IngestEnd::kNotAllWritten;
  const bool halted = anything_refused_ || anything_withheld_ ||
                      std::any_of(lanes_.begin(), lanes_.end(),
                                  [](const auto& lane) { return lane->anything_halted(); });
  if (settings_.mode == RunMode::kOnce && halted) return IngestEnd::kPartitionsHalted;
  return IngestEnd::kDone;
}

void Ingest::request_stop() {
  stop_requested_ = true;
  parts_.source.wake();
}

bool Ingest::turn() {
  if (phase_ == Phase::kRunning && budget_.intake() == Intake::kHeld) {
    parts_.executor.wait_done(k_breath);
    // What frees the memory may wait for one.
    handle(parts_.source.poll_answer());
    housekeeping();
    if (phase_ == Phase::kEnded) return false;
  }
  kafka::Event event = parts_.source.poll(std::chrono::milliseconds(0));
  if (std::holds_alternative<kafka::Idle>(event)) {
    housekeeping();
    if (phase_ == Phase::kEnded) return false;
    event = parts_.source.poll(wait_time());
  }
  publish_due_ = true;
  const bool is_record = std::holds_alternative<Record>(event);
  handle(event);
  if (!is_record || ++records_ >= k_records_between_housekeeping ||
      bytes_ >= k_bytes_between_housekeeping) {
    housekeeping();
  }
  return phase_ != Phase::kEnded;
}

void Ingest::handle(const kafka::Event& event) {
  std::visit(Overloaded{
                 [](const kafka::Idle&) {},
                 [&](const Record& record) { on_record(record); },
                 [&](const kafka::PartitionEnd& end) {
                   last_traffic_ = parts_.clock.now();
                   if (Lane* lane = lane_of(end.topic))
                     lane->on_partition_end(end.partition, end.position);
                 },
                 [&](const kafka::Assigned& assigned) { on_assigned(assigned); },
                 [&](const kafka::Revoked& revoked) { on_revoked(revoked); },
                 [&](const kafka::PartitionReset& reset) {
                   if (Lane* lane = lane_of(reset.topic)) {
                     lane->on_partition_reset(reset.partition, reset.reason);
                   }
                 },
                 [&](const kafka::PartitionUnreadable& unreadable) {
                   if (Lane* lane = lane_of(unreadable.topic)) {
                     lane->on_partition_unreadable(unreadable.partition, unreadable.reason);
                   }
                 },
                 [&](const kafka::TopicError& error) { on_topic_error(error); },
                 [&](const kafka::TopicsDescribed& answer) { parts_.watch.on_described(answer); },
                 [&](const kafka::OffsetsListed& answer) {
                   for (const auto& lane : lanes_) lane->on_offsets(answer);
                 },
                 [&](const kafka::EndsListed& answer) { on_ends(answer); },
                 [&](const kafka::GroupOffsetsListed& answer) {
                   for (const auto& lane : lanes_) lane->on_group_offsets(answer);
                 },
                 [&](const kafka::OffsetsCommitted& answer) { on_offsets_committed(answer); },
                 [&](const kafka::SourceWarning& warning) { on_warning(warning); },
                 [&](const kafka::JoinRefused& refused) { on_join_refused(refused); },
                 [&](const kafka::SourceFailed& failed) { fail("Kafka: " + failed.message); },
                 [&](const kafka::Closed&) { phase_ = Phase::kEnded; },
             },
             event);
}

Lane* Ingest::lane_of(std::string_view topic) {
  if (last_lane_ != nullptr && last_lane_->topic() == topic) return last_lane_;
  const auto found = by_topic_.find(topic);
  if (found == by_topic_.end()) return nullptr;
  return last_lane_ = found->second;
}

void Ingest::on_record(const Record& record) {
  if (records_ == 0) {
    last_traffic_ = parts_.clock.now();
    ingested_at_ = parts_.clock.wall();
  }
  if (Lane* lane = lane_of(record.topic)) lane->on_record(record, ingested_at_);
  bytes_ += record.value.value_or("").size();
}

void Ingest::on_assigned(const kafka::Assigned& assigned) {
  last_assignment_ = parts_.clock.now();
  ++rebalances_;
  group_trouble_.clear();
  group_denied_ = false;
  partitions_owned_ += assigned.partitions.size();
  parts_.log.tell(LogEvent::kAssigned, {.partitions = assigned.partitions.size()},
                  "{} partitions assigned", assigned.partitions.size());
  if (!assigned.partitions.empty()) unmatched_.clear();
  for (const auto& [topic, partitions] : by_topic(assigned.partitions)) {
    Lane* lane = lane_of(topic);
    if (lane == nullptr) lane = take_in(topic);
    if (lane != nullptr) {
      lane->assign(partitions);
    } else if (const auto refused = refused_.find(topic); refused != refused_.end()) {
      refused->second.partitions += partitions.size();
    }
  }
}

Lane* Ingest::take_in(const std::string& topic) {
  if (!make_lane_ || refused_.contains(topic)) return nullptr;
  auto made = make_lane_(topic, next_lane_);
  if (const auto* refused = std::get_if<TopicRefused>(&made)) {
    say_not_copied(topic, refused->reason);
    refused_[topic] = {.partitions = 0, .reason = refused->reason};
    anything_refused_ = true;
    return nullptr;
  }
  ++next_lane_;
  lanes_.push_back(std::get<std::unique_ptr<Lane>>(std::move(made)));
  Lane* lane = lanes_.back().get();
  by_topic_.emplace(topic, lane);
  by_number_.emplace(lane->index(), lane);
  parts_.watch.watch(topic);
  parts_.log.tell(LogEvent::kTopicMatched, {.topic = topic},
                  "{}: the topic matches a regular expression of KAFKA_TOPICS", topic);
  lane->open_table();
  lane->set_intake(budget_.intake());
  if (phase_ != Phase::kRunning) lane->end_intake();
  for (const auto& each : lanes_) each->set_lanes(lanes_.size());
  return lane;
}

void Ingest::end_lanes_of_deleted_topics() {
  std::erase_if(lanes_, [&](const std::unique_ptr<Lane>& lane) {
    if (lane->index() < first_matched_lane_ || !lane->over() ||
        parts_.executor.busy(lane->index())) {
      return false;
    }
    former_.add(lane->report());
    former_.commits += lane->commits();
    parts_.watch.forget(lane->topic());
    by_topic_.erase(lane->topic());
    by_number_.erase(lane->index());
    last_lane_ = nullptr;
    return true;
  });
  for (const auto& lane : lanes_) lane->set_lanes(lanes_.size());
}

void Ingest::on_topic_error(const kafka::TopicError& error) {
  if (Lane* lane = lane_of(error.topic)) {
    return error.denied ? lane->on_denied(error.reason) : lane->on_topic_error(error.reason);
  }
  const auto& patterns = settings_.patterns;
  if (std::find(patterns.begin(), patterns.end(), error.topic) == patterns.end()) return;
  if (!unmatched_.insert(error.topic).second) return;
  unmatched_since_ = parts_.clock.now();
  spdlog::info("no topic matches {} yet", error.topic);
}

void Ingest::on_revoked(const kafka::Revoked& revoked) {
  parts_.log.tell(revoked.lost ? LogEvent::kLost : LogEvent::kRevoked,
                  {.partitions = revoked.partitions.size()}, "{} partitions {}",
                  revoked.partitions.size(), revoked.lost ? "lost" : "revoked");
  for (const auto& [topic, partitions] : by_topic(revoked.partitions)) {
    Lane* lane = lane_of(topic);
    if (lane == nullptr) {
      const auto refused = refused_.find(topic);
      if (refused == refused_.end()) continue;
      refused->second.partitions -= std::min(refused->second.partitions, partitions.size());
      if (refused->second.partitions == 0) refused_.erase(refused);
      continue;
    }
    if (revoked.lost) {
      lane->lose(partitions);
    } else {
      lane->revoke(partitions);
    }
  }
  partitions_owned_ -= std::min(partitions_owned_, revoked.partitions.size());
  if (revoked.lost && partitions_owned_ == 0) last_assignment_.reset();
  to_release_.insert(to_release_.end(), revoked.partitions.begin(), revoked.partitions.end());
  release_by_ = parts_.clock.now() + (revoked.lost ? Duration{} : settings_.revoke_budget);
  answer_revoke();
}

void Ingest::answer_revoke() {
  if (!release_by_) return;
  const bool written = std::all_of(lanes_.begin(), lanes_.end(),
                                   [](const auto& lane) { return lane->revoke_done(); });
  if (!written) kill_point("revoke_mid_flush");
  if (!written && parts_.clock.now() < *release_by_) return;
  release_by_.reset();
  for (const auto& lane : lanes_) lane->end_revoke();
  parts_.source.release(std::exchange(to_release_, {}));
}

void Ingest::on_offsets_committed(const kafka::OffsetsCommitted& answer) {
  if (answer.error.empty()) return;
  parts_.log.tell(LogEvent::kRetry, {.operation = "commit_offsets", .reason = answer.error},
                  "Kafka did not take the group's offsets; the tables' progress is not affected. "
                  "Trying again: {}",
                  answer.error);
  if (!offsets_again_at_) offsets_again_at_ = parts_.clock.now() + k_offsets_again;
}

void Ingest::commit_offsets_again() {
  if (!offsets_again_at_ || parts_.clock.now() < *offsets_again_at_) return;
  offsets_again_at_.reset();
  for (const auto& lane : lanes_) lane->commit_offsets_again();
}

void Ingest::ask_ends() {
  const SteadyTime now = parts_.clock.now();
  if (ends_asked_ || now < ends_again_at_ || parts_.watch.brokers_down()) return;
  std::vector<kafka::TopicPartition> partitions;
  for (const auto& lane : lanes_) lane->add_not_fetched(partitions);
  if (partitions.empty()) return;
  ends_asked_ = true;
  ends_again_at_ = now + k_ends_again;
  static_cast<void>(parts_.source.list_ends(partitions));
}

void Ingest::on_ends(const kafka::EndsListed& answer) {
  ends_asked_ = false;
  for (const auto& lane : lanes_) lane->on_ends(answer);
}

void Ingest::on_warning(const kafka::SourceWarning& warning) {
  if (warning.all_brokers_down) parts_.watch.on_brokers_down();
  if (warning.message.empty()) return;
  kafka_trouble_at_ = parts_.clock.now();
  parts_.log.tell(LogEvent::kKafkaWarning, {.error_type = warning.code, .reason = warning.message},
                  "Kafka: {}", warning.message);
  kafka_trouble_ = warning.message;
}

void Ingest::on_join_refused(const kafka::JoinRefused& refused) {
  const bool is_new = group_trouble_.empty();
  group_trouble_ = refused.reason;
  group_denied_ = refused.denied;
  if (is_new) say_group_trouble();
}

void Ingest::housekeeping() {
  records_ = bytes_ = 0;
  take_jobs();
  parts_.watch.tick();
  for (const auto& lane : lanes_) {
    lane->tick();
    if (lane->fatal() && !failure_) fail(*lane->fatal());
  }
  end_lanes_of_deleted_topics();
  answer_revoke();
  commit_offsets_again();
  balance_memory();
  ask_ends();
  advance_phase();
  parts_.log.tick();
  const SteadyTime now = parts_.clock.now();
  if (now >= say_again_at_) say_what_is_waited_for();
  if (now >= remind_at_) remind_of_halted();
  const std::uint64_t commits =
      std::accumulate(lanes_.begin(), lanes_.end(), former_.commits,
                      [](std::uint64_t sum, const auto& lane) { return sum + lane->commits(); });
  if (commits != commits_seen_) last_write_wall_ = parts_.clock.wall();
  if (commits != commits_seen_ || now >= publish_at_) publish();
  commits_seen_ = commits;
}

void Ingest::take_jobs() {
  for (auto& done : parts_.executor.take_done()) {
    if (const auto* probed = std::get_if<StoreProbed>(&done.outcome)) {
      take_probe(probed->outcome);
    } else if (const auto lane = by_number_.find(done.lane); lane != by_number_.end()) {
      lane->second->on_job(done.outcome);
    } else if (const auto* failed = std::get_if<JobFailed>(&done.outcome)) {
      fail(failed->message);
    }
  }
}

void Ingest::submit_probe() {
  probe_runs_ = true;
  parts_.executor.submit(
      k_no_lane, parts_.executor.new_strand(),
      make_job([probe = probe_]() -> JobOutcome { return StoreProbed{probe()}; }));
}

void Ingest::take_probe(const delta::StoreOutcome& outcome) {
  probe_runs_ = false;
  if (phase_ != Phase::kProbing) return;
  const ProbeVerdict verdict = judge_probe(outcome, settings_.store_name);
  switch (verdict.kind) {
    case ProbeVerdict::Kind::kUsable: {
      store_trouble_.clear();
      phase_ = Phase::kRunning;
      std::vector<std::string> topics;
      for (const auto& lane : lanes_) {
        lane->open_table();
        topics.push_back(lane->topic());
      }
      topics.insert(topics.end(), settings_.patterns.begin(), settings_.patterns.end());
      parts_.source.subscribe(topics);
      return;
    }
    case ProbeVerdict::Kind::kNoAnswer:
      store_trouble_ = verdict.message;
      probe_again_at_ = parts_.clock.now() + k_probe_again;
      return;
    case ProbeVerdict::Kind::kRefused:
      fail(verdict.message);
      return;
  }
}

void Ingest::advance_phase() {
  const SteadyTime now = parts_.clock.now();
  switch (phase_) {
    case Phase::kProbing:
      if (stop_requested_ || failure_) {
        parts_.log.tell(LogEvent::kShutdown, {}, "stopping: nothing was read");
        begin_closing();
      } else if (!probe_runs_ && now >= probe_again_at_) {
        submit_probe();
      }
      return;
    case Phase::kRunning:
      if (stop_requested_ || failure_ || once_is_over()) begin_draining();
      return;
    case Phase::kDraining:
      if (all_written()) {
        finish_draining();
      } else if (now >= phase_deadline_) {
        parts_.log.tell(LogEvent::kShutdownIncomplete, {.reason = "time-out"},
                        "the shutdown time-out passed before everything was written; what is not "
                        "written will be read again");
        written_in_time_ = false;
        begin_closing();
      } else {
        kill_point("shutdown_mid_drain");
      }
      return;
    case Phase::kClosing:
      if (now >= phase_deadline_) phase_ = Phase::kEnded;
      return;
    case Phase::kEnded:
      return;
  }
}

bool Ingest::once_is_over() const {
  if (settings_.mode != RunMode::kOnce || release_by_) return false;
  if (!last_assignment_) return nothing_is_there();
  const bool more_may_come = parts_.watch.any_partitions() || !settings_.patterns.empty();
  if (partitions_owned_ == 0 && more_may_come &&
      parts_.clock.now() < *last_assignment_ + k_assignment_patience) {
    return false;
  }
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [](const auto& lane) { return lane->read_to_end(); });
}

bool Ingest::nothing_is_there() const {
  // Kafka assigns nothing to a consumer for whose names and patterns there is no topic.
  const auto no_listed_since = parts_.watch.all_unknown_since();
  if (!no_listed_since || unmatched_.size() != settings_.patterns.size()) return false;
  SteadyTime since = *no_listed_since;
  if (!settings_.patterns.empty()) since = std::max(since, unmatched_since_);
  return parts_.clock.now() - k_assignment_patience >= since;
}

bool Ingest::all_written() const {
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [](const auto& lane) { return lane->written() || lane->fatal().has_value(); });
}

void Ingest::begin_draining() {
  parts_.log.tell(LogEvent::kShutdown, {}, "stopping: writing what was read");
  phase_ = Phase::kDraining;
  draining_until_ = phase_deadline_ = parts_.clock.now() + settings_.shutdown_timeout;
  for (const auto& lane : lanes_) {
    const bool withheld = !lane->has_partitions() && parts_.watch.is_withheld(lane->topic());
    if (withheld || lane->is_denied()) {
      parts_.log.tell(LogEvent::kTopicNotCopied,
                      {.topic = lane->topic(), .reason = "Kafka does not let this user look at it"},
                      "{}: Kafka does not let this user look at the topic: it was not read",
                      lane->topic());
      anything_withheld_ = true;
    }
    lane->end_intake();
  }
}

void Ingest::finish_draining() {
  const bool dropped =
      std::any_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->dropped(); });
  if (!dropped || failure_) return begin_closing();
  if (settings_.mode == RunMode::kOnce && !stop_requested_) {
    spdlog::info("what was dropped is read again");
    for (const auto& lane : lanes_) lane->reopen_intake();
    phase_ = Phase::kRunning;
    return;
  }
  parts_.log.tell(LogEvent::kShutdownIncomplete, {.reason = "a batch was dropped"},
                  "a batch was dropped during the shutdown; it will be read again");
  written_in_time_ = false;
  begin_closing();
}

void Ingest::begin_closing() {
  phase_ = Phase::kClosing;
  phase_deadline_ = parts_.clock.now() + k_close_timeout;
  if (draining_until_) {
    // Leaving the group is part of the shutdown time-out, but a moment for it there must be.
    phase_deadline_ =
        std::min(phase_deadline_, std::max(*draining_until_, parts_.clock.now() + k_close_moment));
  }
  parts_.source.close();
}

void Ingest::fail(const std::string& reason) {
  if (failure_) return;
  failure_ = reason;
  parts_.log.tell(LogEvent::kFailed, {.reason = reason},
                  "{}. Stopping; offsets of what is not written are not committed", reason);
}

void Ingest::balance_memory() {
  std::vector<LaneMemory> memory;
  memory.reserve(lanes_.size());
  for (const auto& lane : lanes_) memory.push_back(lane->memory());
  if (const auto largest = budget_.to_flush(memory)) lanes_[*largest]->flush();
  const bool was_paused = budget_.intake() == Intake::kPaused;
  const bool pause = budget_.decide(memory, parts_.clock.now()) == Intake::kPaused;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    lanes_[i]->set_intake(budget_.intake_of(memory[i]));
  }
  if (pause == was_paused) return;
  parts_.log.tell(pause ? LogEvent::kMemoryPaused : LogEvent::kMemoryResumed,
                  {.held_bytes = held_bytes(memory), .limit_bytes = budget_.limit()},
                  "memory for batches: {} of {} bytes in use, reading {}", held_bytes(memory),
                  budget_.limit(), pause ? "pauses" : "goes on");
}

std::string Ingest::store_waited_for() const {
  return store_trouble_.empty() ? "no answer yet" : store_trouble_;
}

const std::string& Ingest::kafka_trouble() const {
  const auto answered = parts_.watch.last_answer();
  // Why there is no connection says more than that a request timed out.
  const bool connection_failed = kafka_trouble_at_ && (!answered || *kafka_trouble_at_ > *answered);
  return connection_failed ? kafka_trouble_ : parts_.watch.last_error();
}

void Ingest::say_what_is_waited_for() {
  const SteadyTime now = parts_.clock.now();
  say_again_at_ = now + k_say_every;
  if (phase_ == Phase::kProbing) {
    const std::string why = store_waited_for();
    parts_.log.tell(LogEvent::kWaiting, {.waiting_for = "store", .reason = why},
                    "waiting for the store at {}: {}", settings_.store_name, why);
  }
  if (!group_trouble_.empty()) say_group_trouble();
  const auto answered = parts_.watch.last_answer();
  if (!answered || now - *answered > k_kafka_silence) {
    const std::string& trouble = kafka_trouble();
    const std::string_view why = trouble.empty() ? "no answer yet" : std::string_view(trouble);
    parts_.log.tell(LogEvent::kWaiting, {.waiting_for = "kafka", .reason = why},
                    "waiting for Kafka at {}: {}", settings_.kafka_name, why);
  }
}

void Ingest::say_group_trouble() {
  parts_.log.tell(LogEvent::kWaiting, {.waiting_for = "group", .reason = group_trouble_},
                  "waiting: {}", group_trouble_);
}

void Ingest::remind_of_halted() {
  remind_at_ = parts_.clock.now() + k_remind_every;
  for (const auto& lane : lanes_) {
    for (const auto& [partition, reason] : lane->report().halted) {
      lane->say_stopped(partition, reason);
    }
  }
  for (const auto& [topic, refused] : refused_) say_not_copied(topic, refused.reason);
}

void Ingest::say_not_copied(const std::string& topic, const std::string& reason) {
  parts_.log.tell(LogEvent::kTopicNotCopied, {.topic = topic, .reason = reason},
                  "{}: the topic is not copied: {}", topic, reason);
}

void Ingest::publish() {
  const SteadyTime now = parts_.clock.now();
  publish_at_ = now + k_publish_every;
  publish_due_ = false;
  IngestReport report{.started_at = started_at_,
                      .last_turn = now,
                      .last_broker_answer = parts_.watch.last_answer(),
                      .last_write = last_write_wall_,
                      .assigned = last_assignment_.has_value(),
                      .rebalances = rebalances_,
                      .kafka_trouble = kafka_trouble(),
                      .group_trouble = group_trouble_,
                      .group_denied = group_denied_,
                      .store_trouble = phase_ == Phase::kProbing ? store_waited_for() : "",
                      .held_bytes = 0,
                      .intake = budget_.intake(),
                      .lanes = {},
                      .former = former_,
                      .refused = refused_};
  if (last_traffic_ &&
      (!report.last_broker_answer || *last_traffic_ > *report.last_broker_answer)) {
    report.last_broker_answer = last_traffic_;
  }
  report.lanes.reserve(lanes_.size());
  for (const auto& lane : lanes_) {
    report.lanes.push_back(lane->report());
    const LaneMemory memory = lane->memory();
    report.held_bytes += memory.open + memory.writing;
  }
  parts_.board.publish(std::move(report));
}

std::chrono::milliseconds Ingest::wait_time() const {
  const SteadyTime now = parts_.clock.now();
  SteadyTime next = std::min({now + settings_.poll_wait_max, say_again_at_, remind_at_,
                              parts_.watch.next_deadline(), parts_.log.next_deadline()});
  for (const auto& lane : lanes_) next = std::min(next, lane->next_deadline());
  if (publish_due_) next = std::min(next, publish_at_);
  if (release_by_) next = std::min(next, *release_by_);
  if (offsets_again_at_) next = std::min(next, *offsets_again_at_);
  if (phase_ == Phase::kProbing && !probe_runs_) next = std::min(next, probe_again_at_);
  if (phase_ == Phase::kDraining || phase_ == Phase::kClosing) {
    next = std::min(next, phase_deadline_);
  }
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - now);
  return std::max(wait, std::chrono::milliseconds(0));
}

}  // namespace bronze::ingest
