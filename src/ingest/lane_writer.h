#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/clock.h"
#include "base/event_log.h"
#include "batch/flush_policy.h"
#include "ingest/backoff.h"
#include "ingest/batch.h"
#include "ingest/commit_plan.h"
#include "ingest/dead_letter_tally.h"
#include "ingest/executor.h"
#include "ingest/lane_report.h"
#include "ingest/lane_table.h"
#include "ingest/memory_budget.h"
#include "ingest/resolve.h"
#include "ingest/table_turn.h"
#include "ingest/topic_watch.h"

namespace bronze::ingest {

struct WriterSettings {
  std::string topic;
  std::size_t lane = 0;
  std::string group;
  batch::FlushPolicy flush;
  Duration write_retry{};
  Duration file_age_max{};
  DeadLetterPolicy dead_letters = DeadLetterPolicy::kNever;
};

/// What a lane's writer works with; all outlive it.
struct WriterParts {
  LaneTables tables;
  TableTurn& turn;
  Executor& executor;
  const Clock& clock;
  EventLog& log;
  TopicWatch& watch;
};

/// The dead letters of a batch are in their table; its rows are not yet.
struct DeadLettersCommitted {
  DeadLetterTally letters;
  std::uint64_t file_bytes = 0;
  std::uint64_t version = 0;
  std::string token;
  Duration took{};
};
struct BatchCommitted {
  RangeMap ranges;
  std::uint64_t rows = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t version = 0;
  std::string token;
  Duration took{};
};
/// The lane must start over from the table.
struct BatchVoid {
  std::string reason;
  /// Because another writer moved our progress.
  bool foreign = false;
};
/// Records that were read and are not in a table.
struct Unwritten {
  std::uint64_t rows = 0;
  RangeMap ranges;

  void add(const Unwritten& later);
  /// `3 rows, partition 0 offsets 5 to 7`
  [[nodiscard]] std::string text() const;
};

/// The topic behind the name is another one now.
struct TopicReplaced {
  /// Its id.
  std::string now;
};
/// A write that cannot succeed: the service must stop.
struct WriteFailed {
  std::string reason;
};
using WriterEvent =
    std::variant<DeadLettersCommitted, BatchCommitted, BatchVoid, TopicReplaced, WriteFailed>;

/// Turns the records of one lane into commits: one batch fills while at most one other is written.
///
///   fill -> seal -> upload files -> see that the topic is still the same
///        -> commit dead letters, if need be -> commit rows -> report
///
/// Owned by its lane; ingest thread; nothing here blocks.
class LaneWriter {
 public:
  LaneWriter(WriterSettings settings, WriterParts parts);

  /// What batches from now on are written for.
  /// REQUIRES: empty(), or the same as before; !refusal_of(shape).
  /// `dead_letters`: nullopt = there is no such table.
  void begin(TopicIdentity identity, delta::TableShape shape,
             std::optional<delta::TableShape> dead_letters = std::nullopt);
  [[nodiscard]] const delta::TableShape& shape() const { return progress_.shape; }
  [[nodiscard]] const std::optional<delta::TableShape>& dead_letter_shape() const {
    return progress_.dead_letter_shape;
  }
  [[nodiscard]] const TopicIdentity& identity() const { return progress_.identity; }
  /// What rows must bring for that shape.
  [[nodiscard]] const ExtraColumns& columns() const { return columns_.extra; }
  /// Whether the table has progress of this partition, before anything of it is added.
  void set_progress(Partition partition, PartitionStart::Progress progress);
  /// Before which the dead-letter table has decided; nullopt = it knows nothing of the partition.
  void set_decided(Partition partition, const std::optional<Offset>& before);
  /// What the commit that moves the partition's progress over it states as lost; nullopt = nothing.
  void set_gap(Partition partition, const std::optional<OffsetRange>& gap);

  void add(const batch::Row& row, Offset base);
  /// REQUIRES: there is a dead-letter table, which has not decided about the record.
  void add(const batch::DeadLetter& letter, Offset base);
  void advance(Partition partition, Offset base, Offset next);

  /// Writes the open batch, if there is one, as soon as it may; new rows go into another.
  void flush() { flush_wanted_ = flush_wanted_ || open_ != nullptr; }
  /// Batches that are opened from now on fill at least so long.
  void set_interval_min(Duration interval) { interval_min_ = interval; }
  /// Forgets the open and the sealed batch. The attempt that runs, if any, ends by itself.
  void drop();
  /// Forgets only what is not `proven`, and says what that was.
  Unwritten drop_unproven();

  void on_job(const JobOutcome& outcome);
  /// Moves on as far as possible. Call until it returns nullopt.
  [[nodiscard]] std::optional<WriterEvent> step();
  [[nodiscard]] SteadyTime next_deadline() const;

  /// An answer of Kafka that was asked for after `count` requests showed the topic.
  [[nodiscard]] bool topic_seen(std::uint64_t count) const;
  /// An answer of Kafka that was asked for after the last record arrived showed the topic: what is
  /// here may be committed whatever became of the topic since.
  [[nodiscard]] bool proven() const;
  /// What the batches hold.
  [[nodiscard]] Unwritten unwritten() const;
  /// No batch is open or being written.
  [[nodiscard]] bool empty() const { return !open_ && !sealed_; }
  /// The table does not take what is there, and more is waiting: no more should be read.
  [[nodiscard]] bool stalled() const;
  [[nodiscard]] LaneMemory memory() const;
  /// When the oldest batch with rows was or will be due; nullopt = there is none.
  [[nodiscard]] std::optional<SteadyTime> oldest_due() const;
  /// When the oldest batch with records was opened; nullopt = there is none.
  [[nodiscard]] std::optional<SteadyTime> oldest_unwritten() const;
  /// Failed tries since the last success.
  [[nodiscard]] std::uint64_t failures() const { return failures_; }
  [[nodiscard]] const WriteCounts& counts() const { return counts_; }

 private:
  enum class Stage { kUploading, kUploadBackoff, kCheckingTopic, kCommitting, kCommitBackoff };

  struct Sealed {
    std::unique_ptr<Batch> batch;
    Stage stage = Stage::kUploading;
    SteadyTime since;
    SteadyTime retry_at;
    std::optional<SteadyTime> first_failure;
    std::uint64_t file_bytes = 0;
    std::uint64_t dead_letter_bytes = 0;
    /// Not landed yet; the first is next.
    std::deque<PlannedCommit> commits;
    /// Of the rows, once they have.
    std::uint64_t version = 0;
  };

  [[nodiscard]] Duration batch_interval() const;
  [[nodiscard]] Batch& open_batch();
  [[nodiscard]] bool open_is_due() const;
  /// The oldest with records; nullptr = there is none.
  [[nodiscard]] const Batch* oldest_batch() const;
  void seal();
  void submit_attempt_in_turn();
  [[nodiscard]] std::optional<WriterEvent> check_topic();
  [[nodiscard]] std::optional<WriterEvent> take_upload(const FilesFinished& finished);
  [[nodiscard]] std::optional<WriterEvent> take_attempt(CommitResult result);
  [[nodiscard]] WriteFailed give_up(std::string why);
  /// For the log.
  [[nodiscard]] std::string_view operation_of(Stage stage) const;
  [[nodiscard]] std::optional<WriterEvent> retry_later(Stage stage, const std::string& why);
  [[nodiscard]] std::optional<WriterEvent> take_landed(std::uint64_t version);
  [[nodiscard]] BatchCommitted finish_batch();

  const WriterSettings settings_;
  WriterParts parts_;
  Backoff backoff_;
  LaneProgress progress_;
  TableColumns columns_;
  std::unique_ptr<Batch> open_;
  /// When it is written, if it is not full before.
  SteadyTime open_due_;
  /// Which share of the interval the next one fills.
  double next_share_;
  Duration interval_min_{};
  std::optional<Sealed> sealed_;
  /// An answer for `sealed_` that `step` has not looked at.
  std::variant<std::monostate, FilesFinished, CommitResult> answer_;
  bool flush_wanted_ = false;
  std::uint64_t failures_ = 0;
  WriteCounts counts_;
  /// When the table was last read afresh by an attempt, or a batch first written for it.
  std::map<LaneTable, SteadyTime> fresh_at_;
};

}  // namespace bronze::ingest
