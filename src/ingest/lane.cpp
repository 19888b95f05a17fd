#include "ingest/lane.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "base/kill_point.h"
#include "base/sabotage.h"
#include "decode/micros.h"
#include "ingest/epoch.h"
#include "ingest/table_opening.h"

namespace bronze::ingest {
namespace {

constexpr int k_foreign_rewinds_max = 5;
/// How long a high watermark below our position is waited out: it can step back at a failover.
constexpr std::chrono::seconds k_watermark_patience{30};
constexpr std::chrono::seconds k_ask_again{2};
/// While Kafka does not let us read a topic; longer while it answers nothing.
constexpr std::chrono::seconds k_grant_pause{5};
constexpr std::chrono::seconds k_grant_pause_max{60};

LaneTables tables_of(const LaneParts& parts) { return {*parts.table, parts.dead_letters.get()}; }

/// That says something.
std::string first_of(std::initializer_list<std::string> troubles) {
  for (const std::string& trouble : troubles) {
    if (!trouble.empty()) return trouble;
  }
  return "";
}

std::int64_t to_ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

Lane::Lane(LaneSettings settings, LaneParts parts)
    : settings_(std::move(settings)),
      parts_(std::move(parts)),
      decoder_(settings_.decoder, std::move(parts_.validator)),
      schemas_(settings_.writer.topic, settings_.writer.lane,
               {.executor = parts_.executor,
                .clock = parts_.clock,
                .log = parts_.log,
                .validator = decoder_.validator()}),
      writer_(settings_.writer, WriterParts{.tables = tables_of(parts_),
                                            .turn = turn_,
                                            .executor = parts_.executor,
                                            .clock = parts_.clock,
                                            .log = parts_.log,
                                            .watch = parts_.watch}),
      resolver_(ResolverSettings{.topic = settings_.writer.topic,
                                 .lane = settings_.writer.lane,
                                 .group = settings_.writer.group,
                                 .start = settings_.start,
                                 .start_source = settings_.start_source,
                                 .policies = settings_.policies,
                                 .dead_letters = settings_.writer.dead_letters,
                                 .raw_value = settings_.decoder.raw_value},
                ResolverParts{.source = parts_.source,
                              .tables = tables_of(parts_),
                              .turn = turn_,
                              .executor = parts_.executor,
                              .clock = parts_.clock,
                              .log = parts_.log,
                              .watch = parts_.watch}),
      open_backoff_(static_cast<std::uint32_t>(settings_.writer.lane) + 17U),
      rewind_backoff_(static_cast<std::uint32_t>(settings_.writer.lane) + 31U),
      open_again_at_(parts_.clock.now()),
      resolve_again_at_(parts_.clock.now()),
      checkpoints_(LaneTable::kRows, settings_.writer.topic, parts_.log),
      dead_letter_checkpoints_(LaneTable::kDeadLetters, settings_.writer.topic, parts_.log),
      retention_(parts_.clock, settings_.writer.flush.interval) {}

void Lane::open_table() {
  table_state_ = TableState::kOpening;
  parts_.executor.submit(
      settings_.writer.lane, parts_.executor.new_strand(),
      make_job([tables = tables_of(parts_),
                specs = LaneTableSpecs{settings_.table_spec, settings_.dead_letter_spec},
                policy = settings_.writer.dead_letters]() -> JobOutcome {
        return TableOpened{open_tables(tables, specs, policy)};
      }));
}

void Lane::take_table_opened(const TableOpened& opened) {
  switch (opened.outcome.status) {
    case delta::StoreStatus::kOk:
      table_state_ = TableState::kOpen;
      trouble_.clear();
      resolve_again_at_ = parts_.clock.now();
      return;
    case delta::StoreStatus::kDenied:
    case delta::StoreStatus::kMissing:
      fatal_ = topic() + ": the table cannot be opened: " + opened.outcome.message;
      return;
    case delta::StoreStatus::kTransient:
    case delta::StoreStatus::kConflict:
      table_state_ = TableState::kWaitingToRetry;
      open_again_at_ = parts_.clock.now() + open_backoff_.next();
      trouble_.set("the table cannot be opened: " + opened.outcome.message, [&] {
        return parts_.log.tell(
            LogEvent::kRetry,
            {.topic = topic(), .operation = "open_table", .reason = trouble_.text()},
            "{}: {}; trying again", topic(), trouble_.text());
      });
      return;
    case delta::StoreStatus::kCorrupt:
    case delta::StoreStatus::kUnsupported:
    case delta::StoreStatus::kFailed:
      table_state_ = TableState::kUnusable;
      trouble_.set("the table cannot be used: " + opened.outcome.message, [&] {
        return parts_.log.tell(LogEvent::kTableUnusable,
                               {.topic = topic(), .reason = trouble_.text()}, "{}: {}", topic(),
                               trouble_.text());
      });
      halt_all(trouble_.text());
      return;
  }
}

void Lane::assign(const std::vector<Partition>& partitions) {
  // What is assigned anew was taken away in between, whether we were told or not.
  foreign_rewinds_ = 0;
  drop_lost(partitions);
  for (const Partition partition : partitions) partitions_[partition] = PartitionState{};
  if (table_state_ == TableState::kUnusable) halt_all(trouble_.text());
  resolver_.begin();
}

void Lane::revoke(const std::vector<Partition>& partitions) {
  foreign_rewinds_ = 0;
  for (const Partition partition : partitions) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) continue;
    const bool unwritten =
        found->second.phase != Phase::kWaiting && found->second.position > found->second.committed;
    if (unwritten && !sabotaged(Sabotage::kRevokeWithoutFlush)) {
      found->second.phase = Phase::kRevoking;
      leaving_.insert(partition);
    } else {
      partitions_.erase(found);
    }
  }
  if (!in_phase(Phase::kRevoking).empty()) writer_.flush();
}

bool Lane::revoke_done() const {
  if (fatal_) return true;
  return std::all_of(partitions_.begin(), partitions_.end(), [](const auto& entry) {
    const PartitionState& state = entry.second;
    return state.phase != Phase::kRevoking || state.committed >= state.position;
  });
}

void Lane::end_revoke() {
  const bool done = revoke_done();
  for (const Partition partition : std::exchange(leaving_, {})) partitions_.erase(partition);
  if (!done) rewind("revoked partitions could not be written in time");
}

void Lane::drop_lost(const std::vector<Partition>& partitions) {
  bool unwritten = false;
  for (const Partition partition : partitions) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) continue;
    unwritten = unwritten || (found->second.phase != Phase::kWaiting &&
                              found->second.position > found->second.committed);
    partitions_.erase(found);
  }
  if (unwritten) rewind("partitions were lost");
}

void Lane::lose(const std::vector<Partition>& partitions) {
  foreign_rewinds_ = 0;
  const std::set<Partition> lost(partitions.begin(), partitions.end());
  const bool all_lost = std::all_of(partitions_.begin(), partitions_.end(),
                                    [&](const auto& entry) { return lost.contains(entry.first); });
  if (!all_lost && !writer_.proven()) {
    const Unwritten held = writer_.unwritten();
    drop_lost(partitions);
    if (writer_.empty()) note_loss(held);
    return;
  }
  // Of a topic that is gone these are the last rows there will ever be. If somebody else has the
  // partitions, the commit lands only while nothing of them has been written there.
  note_loss(writer_.drop_unproven());
  for (const auto& [partition, range] : writer_.unwritten().ranges) {
    if (lost.contains(partition)) orphans_.insert(partition);
  }
  for (const Partition partition : lost) partitions_.erase(partition);
  if (!orphans_.empty()) writer_.flush();
}

void Lane::note_loss(const Unwritten& dropped) {
  if (dropped.rows == 0) return;
  parts_.log.tell(LogEvent::kRecordsDropped, {.topic = topic(), .rows = dropped.rows},
                  "{}: partitions were lost. Dropped, to be read again: {}", topic(),
                  dropped.text());
  dropped_ = dropped_ || intake_ended_;
  dropped_by_loss_ = dropped;
  loss_asked_after_ = parts_.watch.sent();
}

void Lane::look_for_deletion() {
  const bool gone = parts_.watch.is_deleted(topic());
  if (gone && !deleted_) end_deleted_topic();
  deleted_ = gone;
  if (!dropped_by_loss_) return;
  const auto* answer = parts_.watch.after(loss_asked_after_, topic());
  if (answer == nullptr || !answer->error.empty()) return;
  const Unwritten dropped = *std::exchange(dropped_by_loss_, std::nullopt);
  // Another topic bears the name now.
  if (!writer_.topic_seen(loss_asked_after_)) bury(dropped);
}

void Lane::end_deleted_topic() {
  Unwritten gone = writer_.drop_unproven();
  if (dropped_by_loss_) gone.add(*std::exchange(dropped_by_loss_, std::nullopt));
  for (const auto& [partition, range] : writer_.unwritten().ranges) orphans_.insert(partition);
  read_anew();
  writer_.flush();
  if (gone.rows == 0) {
    parts_.log.tell(LogEvent::kTopicDeleted, {.topic = topic()},
                    "{}: topic deleted. All that was read of it is {} the table, which stays",
                    topic(), writer_.empty() ? "in" : "being written to");
    return;
  }
  bury(gone);
}

void Lane::bury(const Unwritten& gone) {
  lament(gone,
         "topic deleted before all that was read of it was written. Lost for good: " + gone.text());
}

void Lane::lament(const Unwritten& gone, std::string reason) {
  const bool stays = settings_.policies.topic_recreated != OnTopicRecreated::kNewEpoch;
  if (stays) reason += ". A restart takes this message away";
  parts_.log.tell(LogEvent::kRecordsLost, {.topic = topic(), .rows = gone.rows, .reason = reason},
                  "{}: {}", topic(), reason);
  if (!stays) return;
  halted_ = true;
  // Once for all of them.
  buried_[gone.ranges.begin()->first] = std::move(reason);
}

void Lane::look_for_replacement() {
  const TopicIdentity* now = parts_.watch.shown(topic());
  const std::string& ours = writer_.identity().text;
  if (now == nullptr || ours.empty() || now->text == ours || now->text == replaced_by_) return;
  end_replaced_topic(now->text);
}

void Lane::end_replaced_topic(const std::string& now) {
  replaced_by_ = now;
  Unwritten gone = writer_.drop_unproven();
  if (dropped_by_loss_) gone.add(*std::exchange(dropped_by_loss_, std::nullopt));
  for (const auto& [partition, range] : writer_.unwritten().ranges) orphans_.insert(partition);
  std::erase_if(orphans_, [held = writer_.unwritten()](Partition partition) {
    return !held.ranges.contains(partition);
  });
  dropped_ = dropped_ || (intake_ended_ && gone.rows > 0);
  read_anew();
  for (auto& [partition, state] : partitions_) {
    state.end.reset();
    state.asked_end.reset();
    state.suspect_since.reset();
    // What stopped it was about the old one.
    if (state.phase == Phase::kHalted) state.phase = Phase::kWaiting;
  }
  writer_.flush();
  const std::string what = "the topic was deleted and created again (its id was " +
                           writer_.identity().text + " and is now " + now + ")";
  if (gone.rows == 0) {
    parts_.log.tell(LogEvent::kTopicRecreated, {.topic = topic(), .reason = what},
                    "{}: {}. {} that was read of the old one is dropped", topic(), what,
                    writer_.empty() ? "Nothing" : "What is held is being written, nothing");
    return;
  }
  lament(gone,
         what + ". Dropped and not written, since they may be of either topic: " + gone.text());
}

bool Lane::over() const {
  return deleted_ && partitions_.empty() && buried_.empty() && writer_.empty() && !fatal_;
}

void Lane::on_partition_reset(Partition partition, const std::string& reason) {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end() || found->second.phase != Phase::kReading) return;
  const std::string what =
      "Kafka cannot read partition " + std::to_string(number(partition)) + " on: " + reason;
  if (found->second.position == found->second.committed) return rewind(what);
  parts_.log.tell(LogEvent::kPartitionReset,
                  {.topic = topic(), .partition = partition, .reason = reason}, "{}: {}", topic(),
                  what);
  // Kafka may not have these rows any more: they are written before the partition is read again.
  parts_.source.stop({named(partition)});
  found->second.phase = Phase::kWaiting;
  orphans_.insert(partition);
  overtaken_[parts_.source.list_offsets(topic(), {partition}, kafka::OffsetSpec::kEarliest, 0)] =
      partition;
}

void Lane::on_offsets(const kafka::OffsetsListed& answer) {
  resolver_.on_offsets(answer);
  if (retention_.awaits(answer.request)) retention_.on_offsets(answer, behind());
  const auto asked = overtaken_.find(answer.request);
  if (asked == overtaken_.end()) return;
  const Partition partition = asked->second;
  overtaken_.erase(asked);
  const auto held = writer_.unwritten().ranges;
  const auto range = held.find(partition);
  if (!orphans_.contains(partition) || range == held.end()) return;
  const auto earliest = answer.offsets.find(partition);
  const bool overtaken = earliest != answer.offsets.end() && earliest->second >= range->second.next;
  if (overtaken || !answer.error.empty()) {
    writer_.flush();
  } else {
    rewind("partition " + std::to_string(number(partition)) + " was not overtaken by retention");
  }
}

void Lane::add_not_fetched(std::vector<kafka::TopicPartition>& partitions) const {
  if (deleted_) return;
  for (const auto& [partition, state] : partitions_) {
    if (!is_fetched(state.phase)) partitions.push_back(named(partition));
  }
}

void Lane::on_ends(const kafka::EndsListed& answer) {
  for (auto& [partition, state] : partitions_) {
    if (is_fetched(state.phase)) continue;
    const auto end = answer.ends.find(named(partition));
    if (end != answer.ends.end()) state.asked_end = end->second;
  }
}

void Lane::on_partition_unreadable(Partition partition, const std::string& reason) {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end() || found->second.phase != Phase::kReading) return;
  halt(partition, "what Kafka holds at offset " + std::to_string(found->second.position.value) +
                      " or soon after cannot be read (" + reason +
                      "). Repair the broker's log; then restart");
}

void Lane::on_topic_error(const std::string& reason) {
  trouble_.set(reason, [&] {
    return parts_.log.tell(LogEvent::kTopicError, {.topic = topic(), .reason = reason}, "{}: {}",
                           topic(), reason);
  });
}

void Lane::on_denied(const std::string& reason) {
  if (denied_ != reason) {
    parts_.log.tell(LogEvent::kTopicError, {.topic = topic(), .reason = reason}, "{}: {}", topic(),
                    reason);
  }
  denied_ = reason;
  denied_after_ = parts_.watch.sent();
  grant_pause_ = k_grant_pause;
  look_for_grant_at_ = parts_.clock.now() + grant_pause_;
}

void Lane::look_for_grant() {
  if (denied_.empty()) return;
  if (!partitions_.empty()) return read_to_find_grant();
  const auto* answer = parts_.watch.after(denied_after_, topic());
  if (answer != nullptr && answer->error.empty()) denied_.clear();
}

void Lane::read_to_find_grant() {
  // Who may look at a topic may not be allowed to read it, and librdkafka tells the end of a
  // partition, like an error, once for each start.
  const SteadyTime now = parts_.clock.now();
  if (now < look_for_grant_at_ || paused_ || intake_ended_) return;
  // A fetch that is under way begins anew.
  grant_pause_ = std::min<Duration>(2 * grant_pause_, k_grant_pause_max);
  look_for_grant_at_ = now + grant_pause_;
  const std::set<Partition> reading = in_phase(Phase::kReading);
  std::vector<kafka::StartPosition> positions;
  positions.reserve(reading.size());
  for (const Partition partition : reading) {
    positions.push_back({named(partition), partitions_.at(partition).position});
  }
  parts_.source.stop(named(reading));
  start(positions);
}

void Lane::on_job(const JobOutcome& outcome) {
  if (const auto* opened = std::get_if<TableOpened>(&outcome)) take_table_opened(*opened);
  if (const auto* failed = std::get_if<JobFailed>(&outcome)) {
    fatal_ = topic() + ": " + failed->message;
  }
  if (const auto* written = std::get_if<CheckpointWritten>(&outcome)) {
    checkpoints_.take(*written);
    dead_letter_checkpoints_.take(*written);
  }
  if (const auto* fetched = std::get_if<SchemasFetched>(&outcome)) take_schemas(*fetched);
  resolver_.on_job(outcome);
  writer_.on_job(outcome);
}

void Lane::tick() {
  if (fatal_) return;
  look_for_replacement();
  look_for_deletion();
  look_for_grant();
  const SteadyTime now = parts_.clock.now();
  if (table_state_ == TableState::kWaitingToRetry && now >= open_again_at_) open_table();
  if (table_state_ != TableState::kOpen) return;
  if (!schemas_.empty()) {
    end_look_ahead();
    schemas_.keep_waiting(in_phase(Phase::kFetchingSchema));
    schemas_.step();
  }
  while (!fatal_) {
    const auto event = writer_.step();
    if (!event) break;
    take(*event);
  }
  const auto waiting = in_phase(Phase::kWaiting);
  if (!may_resolve()) {
    resolver_.cancel();
  } else if (!resolver_.active() && now >= resolve_again_at_) {
    resolver_.begin();
  }
  if (resolver_.active()) {
    if (const auto resolution = resolver_.step(waiting)) take(*resolution);
  }
  if (sabotaged(Sabotage::kOffsetsBeforeTable)) {
    for (const auto& [partition, state] : std::map(partitions_)) {
      if (state.phase == Phase::kReading) {
        commit_offsets({{partition, {state.committed, state.position}}});
      }
    }
  }
  apply_intake();
  watch_retention();
}

void Lane::watch_retention() {
  if (!retention_.is_due()) return;
  const auto partitions = retention_.begin(behind());
  if (partitions.empty()) return;
  retention_.asked(
      parts_.source.list_offsets(topic(), partitions, kafka::OffsetSpec::kEarliest, 0));
}

RetentionWatch::Reaches Lane::behind() const {
  RetentionWatch::Reaches behind;
  for (const auto& [partition, state] : partitions_) {
    const PartitionReport report = report_of(partition, state);
    if (report.lag().value_or(0) > 0) behind[partition] = {*report.committed, *report.end};
  }
  return behind;
}

bool Lane::may_resolve() const {
  // What a batch holds of a partition would be read a second time.
  return orphans_.empty() && !deleted_ && !intake_ended_ && !in_phase(Phase::kWaiting).empty();
}

void Lane::take(const Resolution& resolution) {
  if (const auto* halted = std::get_if<HaltTopic>(&resolution)) {
    drop_batches();
    halt_all(halted->reason);
  } else if (const auto* refused = std::get_if<WriteRefused>(&resolution)) {
    fatal_ = topic() + ": the table cannot be written: " + refused->reason;
  } else if (const auto* decisions = std::get_if<StartDecisions>(&resolution)) {
    const StartFacts& facts = resolver_.facts();
    if (!writer_.empty() && writer_.shape() != facts.table.shape) {
      rewind("the table's metadata changed");
      return;
    }
    const auto dead_letter_shape =
        facts.dead_letters ? std::optional(facts.dead_letters->shape) : std::nullopt;
    if (!writer_.empty() && writer_.dead_letter_shape() != dead_letter_shape) {
      rewind("the dead-letter table's metadata changed");
      return;
    }
    if (!writer_.empty() && writer_.identity() != facts.identity) {
      rewind("the topic was created again");
      return;
    }
    writer_.begin(facts.identity, facts.table.shape, dead_letter_shape);
    replaced_by_.clear();
    ingested_at_min_ = epoch_start(facts).value_or(0);
    tell_columns();
    checkpoints_.begin_at(facts.table.version);
    if (facts.dead_letters) dead_letter_checkpoints_.begin_at(facts.dead_letters->version);
    take(*decisions);
  }
}

void Lane::tell_columns() {
  const ExtraColumns& columns = writer_.columns();
  if (std::exchange(told_columns_, columns) == columns) return;
  const std::string missing = names_of(without(settings_.extra_columns, columns));
  if (!missing.empty()) {
    spdlog::warn(
        "{}: the table does not have the columns {} and goes on without them: EXTRA_COLUMNS holds "
        "for new tables. To have them, add them to the table by ALTER TABLE, or begin a new table "
        "under another DELTA_BASE_PATH",
        topic(), missing);
  }
  const std::string surplus = names_of(without(columns, settings_.extra_columns));
  if (!surplus.empty()) {
    spdlog::info("{}: the table also has the columns {}, which are written too", topic(), surplus);
  }
}

void Lane::take(const StartDecisions& decisions) {
  std::vector<kafka::StartPosition> positions;
  RangeMap begun;
  for (const auto& [partition, decision] : decisions.partitions) {
    PartitionState& state = partitions_.at(partition);
    if (const auto* stop = std::get_if<PartitionHalt>(&decision)) {
      if (!wait_out(state, *stop)) halt_at_start(partition, *stop);
      continue;
    }
    positions.push_back(begin(partition, std::get<PartitionStart>(decision)));
    begun[partition] = {state.committed, state.committed};
  }
  trouble_.clear();
  if (!in_phase(Phase::kWaiting).empty()) resolve_again_at_ = parts_.clock.now() + k_ask_again;
  start(positions);
  // What a predecessor wrote and did not live to tell Kafka.
  commit_offsets(begun);
}

kafka::StartPosition Lane::begin(Partition partition, const PartitionStart& start) {
  PartitionState& state = partitions_.at(partition);
  state.phase = Phase::kReading;
  state.asked_end = resolver_.facts().latest.at(partition);
  state.committed = state.position = start.gap ? start.gap->first : start.offset;
  state.suspect_since.reset();
  if (!state.end) state.end = state.asked_end;
  state.kafka_offset =
      told_offset(resolver_.facts(), partition, state.committed).value_or(Offset{});
  const auto& dead_letters = resolver_.facts().dead_letters;
  state.decided = decided(dead_letters, partition);
  writer_.set_decided(partition, decided_before(dead_letters, partition));
  writer_.set_progress(partition, start.progress);
  writer_.set_gap(partition, start.gap);
  parts_.log.tell(
      start.gap ? LogEvent::kDataLoss : LogEvent::kPartitionStarted,
      {.topic = topic(), .partition = partition, .offset = start.offset, .reason = start.reason},
      "{}: partition {} begins at offset {}: {}", topic(), number(partition), start.offset.value,
      start.reason);
  if (state.decided.before() > start.offset) {
    spdlog::info(
        "{}: partition {}: the dead-letter table has decided what lies before offset {}: its dead "
        "letters stay dead, and everything else becomes a row, whatever is checked now",
        topic(), number(partition), state.decided.before().value);
  }
  return {named(partition), start.offset};
}

void Lane::halt_at_start(Partition partition, const PartitionHalt& stop) {
  halt(partition, stop.reason);
  PartitionState& state = partitions_.at(partition);
  state.unplaced = !stop.committed;
  state.committed = state.position = stop.committed.value_or(Offset{});
  const auto& latest = resolver_.facts().latest;
  const auto end = latest.find(partition);
  if (end != latest.end()) state.asked_end = end->second;
}

bool Lane::wait_out(PartitionState& state, const PartitionHalt& halt) const {
  if (!halt.may_recover) return false;
  const SteadyTime now = parts_.clock.now();
  if (!state.suspect_since) {
    state.suspect_since = now;
    parts_.log.tell(LogEvent::kWaiting,
                    {.topic = topic(), .waiting_for = "end", .reason = halt.reason},
                    "{}: {}; asking again", topic(), halt.reason);
  }
  return now - *state.suspect_since < k_watermark_patience;
}

void Lane::start(const std::vector<kafka::StartPosition>& positions) {
  if (positions.empty()) return;
  parts_.source.start(positions);
  std::vector<kafka::TopicPartition> partitions;
  partitions.reserve(positions.size());
  for (const auto& position : positions) partitions.push_back(position.partition);
  // A pause outlives an assignment, so it is said either way.
  if (paused_) {
    parts_.source.pause(partitions);
  } else {
    parts_.source.resume(partitions);
  }
}

void Lane::take(const WriterEvent& event) {
  if (const auto* dead = std::get_if<DeadLettersCommitted>(&event)) {
    take(*dead);
  } else if (const auto* committed = std::get_if<BatchCommitted>(&event)) {
    take(*committed);
  } else if (const auto* failed = std::get_if<WriteFailed>(&event)) {
    fatal_ = topic() + ": a write cannot succeed: " + failed->reason;
  } else if (const auto* replaced = std::get_if<TopicReplaced>(&event)) {
    end_replaced_topic(replaced->now);
  } else if (const auto* voided = std::get_if<BatchVoid>(&event)) {
    if (voided->foreign && ++foreign_rewinds_ >= k_foreign_rewinds_max) {
      drop_batches();
      halt_all(
          "two pipelines share this identity: another writer keeps moving the progress of "
          "consumer group " +
          settings_.writer.group + " in this table. Give one of them another KAFKA_CONSUMER_GROUP");
    } else {
      rewind(voided->reason, voided->foreign ? RewindCause::kForeign : RewindCause::kOurs);
    }
  }
}

void Lane::take(const DeadLettersCommitted& committed) {
  dead_letters_.add(committed.letters);
  if (committed.letters.count > 0) {
    parts_.log.tell(
        LogEvent::kDeadLetterCommit,
        {.topic = topic(),
         .rows = committed.letters.count,
         .stored_bytes = committed.file_bytes,
         .version = committed.version,
         .ms = to_ms(committed.took),
         .token = committed.token},
        "{}: {}, {} bytes stored, committed to their table as version {} in {} ms, token "
        "{}. The first: {}",
        topic(), committed.letters.text(), committed.file_bytes, committed.version,
        to_ms(committed.took), committed.token, committed.letters.example);
  }
  dead_letter_checkpoints_.submit_if_due(*parts_.dead_letters, *writer_.dead_letter_shape(),
                                         committed.version, {index(), parts_.executor});
}

void Lane::take(const BatchCommitted& committed) {
  foreign_rewinds_ = 0;
  rewind_backoff_.reset();
  rows_committed_ += committed.rows;
  bytes_committed_ += committed.payload_bytes;
  ++commits_;
  last_write_ = parts_.clock.now();
  last_commit_ = {.at = parts_.clock.wall(),
                  .version = committed.version,
                  .rows = committed.rows,
                  .bytes = committed.payload_bytes,
                  .token = committed.token,
                  .took = committed.took};
  for (const auto& [partition, range] : committed.ranges) {
    const auto found = partitions_.find(partition);
    if (found != partitions_.end()) found->second.committed = range.next;
  }
  std::erase_if(orphans_, [held = writer_.unwritten()](Partition partition) {
    return !held.ranges.contains(partition);
  });
  parts_.log.tell(LogEvent::kCommit,
                  {.topic = topic(),
                   .rows = committed.rows,
                   .bytes = committed.payload_bytes,
                   .stored_bytes = committed.file_bytes,
                   .version = committed.version,
                   .ms = to_ms(committed.took),
                   .token = committed.token},
                  "{}: {} rows, {} bytes ({} stored) committed as version {} in {} ms, token {}",
                  topic(), committed.rows, committed.payload_bytes, committed.file_bytes,
                  committed.version, to_ms(committed.took), committed.token);
  kill_point("offsets_before_commit");
  commit_offsets(committed.ranges);
  kill_point("offsets_after_commit");
  checkpoints_.submit_if_due(*parts_.table, writer_.shape(), committed.version,
                             {index(), parts_.executor});
}

void Lane::commit_offsets(const RangeMap& ranges) {
  std::vector<kafka::CommitPosition> positions;
  const std::string metadata = commit_metadata(writer_.shape().id);
  for (const auto& [partition, range] : ranges) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end() || found->second.kafka_offset >= range.next) continue;
    found->second.kafka_offset = range.next;
    positions.push_back({named(partition), range.next, metadata});
  }
  if (!positions.empty()) parts_.source.commit(positions);
}

void Lane::commit_offsets_again() {
  std::vector<kafka::CommitPosition> positions;
  const std::string metadata = commit_metadata(writer_.shape().id);
  for (const auto& [partition, state] : partitions_) {
    if (state.phase == Phase::kWaiting || state.kafka_offset == Offset{}) continue;
    positions.push_back({named(partition), state.kafka_offset, metadata});
  }
  if (!positions.empty()) parts_.source.commit(positions);
}

void Lane::drop_batches() {
  dropped_ = dropped_ || (intake_ended_ && !writer_.empty());
  writer_.drop();
  orphans_.clear();
  overtaken_.clear();
}

void Lane::rewind(const std::string& reason, RewindCause cause) {
  parts_.log.tell(cause == RewindCause::kForeign ? LogEvent::kFenced : LogEvent::kRewind,
                  {.topic = topic(), .reason = reason}, "{}: starting over from the table: {}",
                  topic(), reason);
  drop_batches();
  if (!sabotaged(Sabotage::kNoRewind)) read_anew();
}

void Lane::read_anew() {
  std::set<Partition> again;
  for (auto& [partition, state] : partitions_) {
    // Nothing of it is left to wait for.
    if (state.phase == Phase::kRevoking) state.position = state.committed;
    const bool unwritten = state.phase == Phase::kHalted && state.position > state.committed;
    const bool reads = is_read(state.phase) || state.phase == Phase::kFetchingSchema;
    if (!reads && !unwritten) continue;
    if (is_read(state.phase)) again.insert(partition);
    state.phase = Phase::kWaiting;
  }
  parts_.source.stop(named(again));
  resolver_.cancel();
  resolve_again_at_ = parts_.clock.now() + rewind_backoff_.next();
}

void Lane::halt(Partition partition, const std::string& reason) {
  PartitionState& state = partitions_.at(partition);
  if (is_read(state.phase)) parts_.source.stop({named(partition)});
  state.unplaced = state.phase == Phase::kWaiting;
  if (state.unplaced) state.committed = state.position = Offset{};
  halted_ = true;
  state.phase = Phase::kHalted;
  state.reason = reason;
  say_stopped(partition, reason);
}

void Lane::say_stopped(Partition partition, const std::string& reason) {
  parts_.log.tell(LogEvent::kPartitionStopped,
                  {.topic = topic(), .partition = partition, .reason = reason},
                  "{}: partition {} is stopped: {}", topic(), number(partition), reason);
}

void Lane::halt_all(const std::string& reason) {
  resolver_.cancel();
  for (const auto& entry : std::map(partitions_)) {
    if (entry.second.phase != Phase::kHalted) halt(entry.first, reason);
  }
  for (auto& [partition, state] : partitions_) state.position = state.committed;
}

void Lane::reopen_intake() {
  intake_ended_ = false;
  dropped_ = false;
}

void Lane::end_intake() {
  intake_ended_ = true;
  writer_.flush();
}

void Lane::apply_intake() {
  const bool wanted = intake_ == Intake::kPaused || writer_.stalled();
  if (wanted == paused_) return;
  paused_ = wanted;
  const auto reading = named(in_phase(Phase::kReading));
  if (paused_) {
    parts_.log.tell(LogEvent::kPaused,
                    {.topic = topic(),
                     .reason = intake_ == Intake::kPaused ? "memory" : "writes do not succeed"},
                    "{}: reading pauses until what was read is written", topic());
    parts_.source.pause(reading);
  } else {
    parts_.log.tell(LogEvent::kResumed, {.topic = topic()}, "{}: reading goes on", topic());
    parts_.source.resume(reading);
  }
}

bool Lane::read_to_end() const {
  if (table_state_ == TableState::kUnusable) return true;
  if (table_state_ != TableState::kOpen) return false;
  // Until it is known whether that is read again.
  if (dropped_by_loss_) return false;
  if (deleted_ || is_denied()) return true;
  return std::all_of(partitions_.begin(), partitions_.end(), [](const auto& entry) {
    const PartitionState& state = entry.second;
    return state.phase == Phase::kHalted ||
           (state.phase == Phase::kReading && state.end && state.position >= *state.end);
  });
}

SteadyTime Lane::next_deadline() const {
  if (fatal_) return SteadyTime::max();
  SteadyTime next =
      std::min({writer_.next_deadline(), resolver_.next_deadline(), schemas_.next_deadline()});
  if (table_state_ == TableState::kWaitingToRetry) next = std::min(next, open_again_at_);
  if (!resolver_.active() && may_resolve()) {
    next = std::min(next, resolve_again_at_);
  }
  return next;
}

LaneReport Lane::report() const {
  LaneReport report{
      .topic = topic(),
      .rows_committed = rows_committed_,
      .bytes_committed = bytes_committed_,
      .messages_consumed = messages_consumed_,
      .dead_letters = dead_letters_,
      .writes = writer_.counts(),
      .checkpoints = checkpoints_.written() + dead_letter_checkpoints_.written(),
      .failures = writer_.failures(),
      .last_write = last_write_,
      .last_commit = last_commit_,
      .oldest_due = writer_.oldest_due(),
      .oldest_unwritten = writer_.oldest_unwritten(),
      .schema_awaited_since = schemas_.waiting_since(),
      .table_open = table_state_ == TableState::kOpen,
      .partitions = {},
      .halted = buried_,
      .denied = denied_,
      .trouble = first_of({denied_, trouble_.text(), schemas_.trouble(), resolver_.trouble()})};
  for (const auto& [partition, state] : partitions_) {
    report.partitions.emplace(partition, report_of(partition, state));
    if (state.phase != Phase::kHalted) continue;
    std::string& reason = report.halted[partition];
    reason = reason.empty() ? state.reason : fmt::format("{}. Besides: {}", state.reason, reason);
  }
  return report;
}

PartitionReport Lane::report_of(Partition partition, const PartitionState& state) const {
  PartitionReport report{.activity = activity_of(state.phase),
                         .position = {},
                         .committed = {},
                         .end = std::max(parts_.source.end_of(topic(), partition), state.asked_end),
                         .last_timestamp = {},
                         .loses_data_in = retention_.loses_data_in(partition),
                         .reason = state.phase == Phase::kHalted ? state.reason : ""};
  if (state.last_timestamp_ms) report.last_timestamp = decode::to_micros(state.last_timestamp_ms);
  const bool unplaced = state.phase == Phase::kHalted && state.unplaced;
  if (state.phase == Phase::kWaiting || unplaced) return report;
  report.position = state.position;
  report.committed = state.committed;
  return report;
}

PartitionActivity Lane::activity_of(Phase phase) const {
  switch (phase) {
    case Phase::kWaiting:
      return PartitionActivity::kStarting;
    case Phase::kReading:
      return paused_ ? PartitionActivity::kPaused : PartitionActivity::kReading;
    case Phase::kLookingAhead:
    case Phase::kFetchingSchema:
      return PartitionActivity::kFetchingSchema;
    case Phase::kRevoking:
      return PartitionActivity::kLeaving;
    case Phase::kHalted:
      return PartitionActivity::kStopped;
  }
  return PartitionActivity::kStarting;
}

std::set<Partition> Lane::in_phase(Phase phase) const {
  std::set<Partition> found;
  for (const auto& [partition, state] : partitions_) {
    if (state.phase == phase) found.insert(partition);
  }
  return found;
}

kafka::TopicPartition Lane::named(Partition partition) const { return {topic(), partition}; }

std::vector<kafka::TopicPartition> Lane::named(const std::set<Partition>& some) const {
  std::vector<kafka::TopicPartition> named_partitions;
  named_partitions.reserve(some.size());
  for (const Partition partition : some) named_partitions.push_back(named(partition));
  return named_partitions;
}

}  // namespace bronze::ingest
