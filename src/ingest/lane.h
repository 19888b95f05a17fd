#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/event_log.h"
#include "base/policies.h"
#include "base/start_policy.h"
#include "decode/dead_letter_maker.h"
#include "decode/decoder.h"
#include "ingest/backoff.h"
#include "ingest/checkpoints.h"
#include "ingest/lane_report.h"
#include "ingest/lane_writer.h"
#include "ingest/resolver.h"
#include "ingest/retention_watch.h"
#include "ingest/schema_fetches.h"
#include "ingest/standing_trouble.h"
#include "kafka/message_source.h"

namespace bronze::ingest {

enum class RunMode {
  kUntilStopped,
  /// Up to the end offsets as they stand when a partition is assigned.
  kOnce,
};

struct LaneSettings {
  WriterSettings writer;
  StartPolicy start;
  StartSource start_source = StartSource::kDefault;
  Policies policies = {};
  RunMode mode = RunMode::kUntilStopped;
  delta::TableSpec table_spec;
  delta::TableSpec dead_letter_spec = {};
  /// Those that `table_spec` has after the six.
  ExtraColumns extra_columns{};
  /// Its `raw_value` is that of `table_spec`; a table that holds something else is not written.
  decode::DecoderSettings decoder = {};
};

/// What a lane works with. The references outlive it; the rest is its own.
struct LaneParts {
  kafka::MessageSource& source;
  Executor& executor;
  const Clock& clock;
  EventLog& log;
  TopicWatch& watch;
  std::unique_ptr<delta::TableSink> table;
  /// nullptr = what cannot be written stops its partition, and nothing is known of earlier times.
  std::unique_ptr<delta::TableSink> dead_letters = {};
  /// nullptr = the topic has no schema.
  std::unique_ptr<decode::Validator> validator = {};
};

/// Everything about one topic: its table, its assigned partitions, their positions. The unit of
/// failure: nothing that goes wrong here touches another lane.
///
///   assigned -> resolve start -> read -> (rewind: resolve again) -> revoked
///                                 | ^
///              fetch schemas <----+ +--- read on
///
/// Owned by Ingest; ingest thread; nothing blocks.
class Lane {
 public:
  Lane(LaneSettings settings, LaneParts parts);

  /// Opens the table, creating it if need be. First call.
  void open_table();

  void assign(const std::vector<Partition>& partitions);
  /// Ends intake of these partitions and writes what is there of them.
  void revoke(const std::vector<Partition>& partitions);
  /// What has been read of the revoked partitions is in the table.
  [[nodiscard]] bool revoke_done() const;
  /// The revoked partitions are no longer ours; what is not written of them is dropped.
  void end_revoke();
  /// These partitions were taken away: somebody else may be writing them already, or the topic is
  /// gone. What cannot be committed safely is dropped.
  void lose(const std::vector<Partition>& partitions);

  void on_record(const Record& record, UnixMicros ingested_at);
  void on_partition_end(Partition partition, Offset position);
  void on_partition_reset(Partition partition, const std::string& reason);
  void on_partition_unreadable(Partition partition, const std::string& reason);
  void on_topic_error(const std::string& reason);
  void on_denied(const std::string& reason);
  void on_offsets(const kafka::OffsetsListed& answer);
  /// Adds the partitions that are ours and not read at present: nothing else tells their ends.
  void add_not_fetched(std::vector<kafka::TopicPartition>& partitions) const;
  void on_ends(const kafka::EndsListed& answer);
  void on_group_offsets(const kafka::GroupOffsetsListed& answer) {
    resolver_.on_group_offsets(answer);
  }
  void on_job(const JobOutcome& outcome);

  /// Moves everything on that can move.
  void tick();
  [[nodiscard]] SteadyTime next_deadline() const;

  /// The memory budget's word; polling goes on.
  void set_intake(Intake intake) { intake_ = intake; }
  /// How many lanes there are, with which this one shares the store.
  void set_lanes(std::size_t lanes) { writer_.set_interval_min(batch::interval_min(lanes)); }
  void flush() { writer_.flush(); }
  /// Kafka did not take some offsets: tells it all of them once more.
  void commit_offsets_again();
  /// No more records are taken; what is there is written. For shutting down.
  void end_intake();

  /// Takes records again after `end_intake`; what was dropped since is read again.
  void reopen_intake();
  /// Everything taken in is in the table, or was dropped to be read again.
  [[nodiscard]] bool written() const { return writer_.empty(); }
  /// Something taken in was dropped since `end_intake`.
  [[nodiscard]] bool dropped() const { return dropped_; }
  /// kOnce: all assigned partitions have been read to their end, or are stopped.
  [[nodiscard]] bool read_to_end() const;
  [[nodiscard]] bool has_partitions() const { return !partitions_.empty(); }
  [[nodiscard]] LaneMemory memory() const { return writer_.memory(); }
  /// Since the process started.
  [[nodiscard]] std::uint64_t commits() const { return commits_; }
  /// A partition has been stopped, or the table is not one that we can write.
  [[nodiscard]] bool anything_halted() const {
    return halted_ || table_state_ == TableState::kUnusable;
  }
  /// Kafka does not let this user read the topic, at present.
  [[nodiscard]] bool is_denied() const { return !denied_.empty(); }
  /// Why the service must stop; nullopt = it need not.
  [[nodiscard]] const std::optional<std::string>& fatal() const { return fatal_; }
  [[nodiscard]] LaneReport report() const;
  /// In the log.
  void say_stopped(Partition partition, const std::string& reason);
  [[nodiscard]] const std::string& topic() const { return settings_.writer.topic; }
  /// What jobs of this lane are submitted by.
  [[nodiscard]] std::size_t index() const { return settings_.writer.lane; }
  /// The topic was deleted and nothing is left to do or to tell about it.
  [[nodiscard]] bool over() const;

 private:
  enum class Phase {
    kWaiting,
    kReading,
    /// What comes is read again later; until the next tick, the schemas that it needs are noted.
    kLookingAhead,
    kFetchingSchema,
    kRevoking,
    kHalted
  };

  struct PartitionState {
    Phase phase = Phase::kWaiting;
    /// Before which everything is in the table. Meaningless while kWaiting and when `unplaced`.
    Offset committed;
    /// Before which everything is in the table or a batch.
    Offset position;
    /// What the dead-letter table says of records that come.
    Decided decided;
    /// Where kOnce ends.
    std::optional<Offset> end;
    /// Stopped before it was known what the table holds of it.
    bool unplaced = false;
    /// Where it ended when that was asked last; while it is read, the source knows better.
    std::optional<Offset> asked_end;
    /// Why kHalted.
    std::string reason;
    /// Since when a halt that may recover is waited out.
    std::optional<SteadyTime> suspect_since;
    /// What Kafka was last told.
    Offset kafka_offset;
    /// Of the record that was taken last.
    std::optional<std::int64_t> last_timestamp_ms;
    /// The record that waits for its schema. Behind `position` when Kafka no longer has that.
    Offset read_on_at;
  };

  /// Whether another writer moved our progress.
  enum class RewindCause { kOurs, kForeign };
  enum class TableState { kOpening, kWaitingToRetry, kOpen, kUnusable };

  void take_odd(const Record& record, PartitionState& state, const decode::Decoded& decoded,
                UnixMicros ingested_at);
  void take_decided(const Record& record, PartitionState& state, UnixMicros ingested_at);
  void await_schema(const Record& record, PartitionState& state, std::int32_t schema);
  void look_ahead(const Record& record);
  void end_look_ahead();
  void take_schemas(const SchemasFetched& fetched);
  void cannot_be_written(const Record& record, const decode::RecordError& error,
                         const char* consequence);
  void take_table_opened(const TableOpened& opened);
  void look_for_deletion();
  void look_for_grant();
  void read_to_find_grant();
  void end_deleted_topic();
  void bury(const Unwritten& gone);
  void look_for_replacement();
  void end_replaced_topic(const std::string& now);
  void lament(const Unwritten& gone, std::string reason);
  [[nodiscard]] kafka::StartPosition begin(Partition partition, const PartitionStart& start);
  void drop_lost(const std::vector<Partition>& partitions);
  void note_loss(const Unwritten& dropped);
  [[nodiscard]] bool may_resolve() const;
  void take(const Resolution& resolution);
  void take(const StartDecisions& decisions);
  void tell_columns();
  void take(const WriterEvent& event);
  void take(const DeadLettersCommitted& committed);
  void take(const BatchCommitted& committed);
  [[nodiscard]] bool wait_out(PartitionState& state, const PartitionHalt& halt) const;
  void halt_at_start(Partition partition, const PartitionHalt& stop);
  void drop_batches();
  void rewind(const std::string& reason, RewindCause cause = RewindCause::kOurs);
  void read_anew();
  void halt(Partition partition, const std::string& reason);
  void halt_all(const std::string& reason);
  void commit_offsets(const RangeMap& ranges);
  void apply_intake();
  void start(const std::vector<kafka::StartPosition>& positions);
  void watch_retention();
  /// The source reads it.
  [[nodiscard]] static bool is_read(Phase phase) {
    return phase == Phase::kReading || phase == Phase::kLookingAhead;
  }
  [[nodiscard]] bool is_fetched(Phase phase) const { return is_read(phase) && !paused_; }
  [[nodiscard]] PartitionActivity activity_of(Phase phase) const;
  [[nodiscard]] PartitionReport report_of(Partition partition, const PartitionState& state) const;
  /// Where those are that hold more than is in the table.
  [[nodiscard]] RetentionWatch::Reaches behind() const;
  [[nodiscard]] std::set<Partition> in_phase(Phase phase) const;
  [[nodiscard]] kafka::TopicPartition named(Partition partition) const;
  [[nodiscard]] std::vector<kafka::TopicPartition> named(const std::set<Partition>& some) const;

  const LaneSettings settings_;
  LaneParts parts_;
  /// Of both tables.
  TableTurn turn_;
  decode::Decoder decoder_;
  decode::DeadLetterMaker dead_letter_maker_;
  SchemaFetches schemas_;
  LaneWriter writer_;
  Resolver resolver_;
  Backoff open_backoff_;
  Backoff rewind_backoff_;
  std::map<Partition, PartitionState> partitions_;
  /// Being revoked, whatever their phase.
  std::set<Partition> leaving_;
  TableState table_state_ = TableState::kOpening;
  int foreign_rewinds_ = 0;
  SteadyTime open_again_at_;
  SteadyTime resolve_again_at_;
  Intake intake_ = Intake::kOpen;
  bool paused_ = false;
  bool intake_ended_ = false;
  bool dropped_ = false;
  /// Said of a topic that was deleted; nothing of it is read while this holds.
  bool deleted_ = false;
  /// Partitions whose rows are still in a batch, though they are no longer ours.
  std::set<Partition> orphans_;
  /// What was dropped because its partitions were lost, until it is known that the topic is there.
  std::optional<Unwritten> dropped_by_loss_;
  std::uint64_t loss_asked_after_ = 0;
  /// Of a deleted topic of which rows were never written: what is to be said, by the first
  /// partition that it is about.
  std::map<Partition, std::string> buried_;
  /// The id of the topic that took this one's place, once that has been seen to; empty = none has.
  std::string replaced_by_;
  /// Partitions that Kafka cannot read on while rows of theirs are in a batch: asked is where
  /// Kafka's log begins now.
  std::map<kafka::RequestId, Partition> overtaken_;
  /// No row has an earlier `_ingested_at`.
  UnixMicros ingested_at_min_ = 0;
  /// A partition was stopped, be it ours still or not.
  bool halted_ = false;
  Checkpoints checkpoints_;
  Checkpoints dead_letter_checkpoints_;
  /// The columns of which `tell_columns` has spoken.
  std::optional<ExtraColumns> told_columns_;
  StandingTrouble trouble_;
  /// Why Kafka does not let this user read the topic; empty = it does, as far as is known.
  std::string denied_;
  std::uint64_t denied_after_ = 0;
  SteadyTime look_for_grant_at_;
  Duration grant_pause_{};
  std::optional<std::string> fatal_;
  RetentionWatch retention_;
  std::uint64_t rows_committed_ = 0;
  std::uint64_t bytes_committed_ = 0;
  std::uint64_t messages_consumed_ = 0;
  std::optional<LastCommit> last_commit_;
  /// Committed ones.
  DeadLetterTally dead_letters_;
  std::uint64_t commits_ = 0;
  std::optional<SteadyTime> last_write_;
};

}  // namespace bronze::ingest
