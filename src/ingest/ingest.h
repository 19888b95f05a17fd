#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/event_log.h"
#include "ingest/executor.h"
#include "ingest/lane.h"
#include "ingest/memory_budget.h"
#include "ingest/report.h"
#include "ingest/topic_watch.h"
#include "kafka/message_source.h"

namespace bronze::ingest {

struct IngestSettings {
  RunMode mode = RunMode::kUntilStopped;
  /// Regular expressions; topics that they match get lanes when partitions of them are assigned.
  std::vector<std::string> patterns = {};
  std::chrono::milliseconds poll_wait_max{};
  Duration shutdown_timeout{};
  /// How long a revoke may be held up to write what was read.
  Duration revoke_budget{};
  /// Memory for batches: over it everything pauses.
  std::uint64_t batch_bytes_max = 0;
  /// For messages: where Kafka and the store are.
  std::string kafka_name;
  std::string store_name;
};

/// What the loop works with; all outlive it.
struct IngestParts {
  kafka::MessageSource& source;
  Executor& executor;
  const Clock& clock;
  EventLog& log;
  TopicWatch& watch;
  ReportBoard& board;
};

/// Why a topic that a pattern matches has no lane.
struct TopicRefused {
  std::string reason;
};
/// Makes the lane of a topic that a pattern matches, or says why it may have none.
using LaneFactory = std::function<std::variant<std::unique_ptr<Lane>, TopicRefused>(
    const std::string& topic, std::size_t lane)>;

/// Why the loop ended.
enum class IngestEnd {
  /// Asked to stop, or read to the end; everything is written.
  kDone,
  /// A write cannot succeed, or Kafka failed for good.
  kFailed,
  /// kOnce, and a partition is stopped or a topic may not be read.
  kPartitionsHalted,
  /// The shutdown time-out passed before everything was written.
  kNotAllWritten,
};

/// THE loop: poll -> lane (decode -> batch -> flush -> commit) -> Kafka offsets.
///
///   probe the store -> open tables, subscribe -> turn -> drain -> leave the group -> ended
///
/// Owned by the app; everything but `request_stop` on the ingest thread.
class Ingest {
 public:
  /// `lanes`: of the topics listed by name, numbered from 0. `probe` asks the store whether it
  /// honours put-if-absent; it runs on a worker. `make_lane` is needed for patterns only.
  Ingest(IngestSettings settings, IngestParts parts, std::vector<std::unique_ptr<Lane>> lanes,
         std::function<delta::StoreOutcome()> probe, LaneFactory make_lane = nullptr);

  /// One turn: handles at most one event. False = ended.
  [[nodiscard]] bool turn();
  /// Turns until ended.
  [[nodiscard]] IngestEnd run();
  /// What `turn` ended with. REQUIRES: turn() returned false.
  [[nodiscard]] IngestEnd end() const;

  /// From any thread: write what is there, leave the group, end.
  void request_stop();

 private:
  enum class Phase { kProbing, kRunning, kDraining, kClosing, kEnded };

  void handle(const kafka::Event& event);
  void on_record(const Record& record);
  void on_assigned(const kafka::Assigned& assigned);
  void on_revoked(const kafka::Revoked& revoked);
  void on_ends(const kafka::EndsListed& answer);
  void on_offsets_committed(const kafka::OffsetsCommitted& answer);
  void commit_offsets_again();
  void on_join_refused(const kafka::JoinRefused& refused);
  void on_warning(const kafka::SourceWarning& warning);
  void on_topic_error(const kafka::TopicError& error);
  [[nodiscard]] Lane* take_in(const std::string& topic);
  void end_lanes_of_deleted_topics();
  void take_jobs();
  void take_probe(const delta::StoreOutcome& outcome);
  void submit_probe();
  void housekeeping();
  void advance_phase();
  void answer_revoke();
  void balance_memory();
  void ask_ends();
  void begin_draining();
  void finish_draining();
  void begin_closing();
  void fail(const std::string& reason);
  void say_what_is_waited_for();
  void say_group_trouble();
  void say_not_copied(const std::string& topic, const std::string& reason);
  [[nodiscard]] std::string store_waited_for() const;
  /// Why Kafka does not answer, when it does not; empty = not known.
  [[nodiscard]] const std::string& kafka_trouble() const;
  void remind_of_halted();
  void publish();
  [[nodiscard]] bool all_written() const;
  [[nodiscard]] bool once_is_over() const;
  [[nodiscard]] bool nothing_is_there() const;
  [[nodiscard]] std::chrono::milliseconds wait_time() const;
  [[nodiscard]] Lane* lane_of(std::string_view topic);

  const IngestSettings settings_;
  IngestParts parts_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::map<std::string, Lane*, std::less<>> by_topic_;
  std::map<std::size_t, Lane*> by_number_;
  Lane* last_lane_ = nullptr;
  const std::function<delta::StoreOutcome()> probe_;
  const LaneFactory make_lane_;
  MemoryBudget budget_;
  /// Lanes below are of topics listed by name, and stay.
  const std::size_t first_matched_lane_;
  std::size_t next_lane_;
  /// Matched topics without a lane: how many of their partitions are ours, and why.
  std::map<std::string, RefusedTopic> refused_;
  /// Be its partitions ours still or not.
  bool anything_refused_ = false;
  /// When draining began, Kafka did not describe a topic of which nothing was assigned.
  bool anything_withheld_ = false;
  /// Patterns that no topic of the cluster matched when Kafka was asked last.
  std::set<std::string> unmatched_;
  SteadyTime unmatched_since_;
  LaneTotals former_;
  std::atomic<bool> stop_requested_{false};

  const SteadyTime started_at_;
  Phase phase_ = Phase::kProbing;
  bool probe_runs_ = false;
  bool written_in_time_ = true;
  SteadyTime probe_again_at_;
  std::string store_trouble_;
  std::string kafka_trouble_;
  std::optional<SteadyTime> kafka_trouble_at_;
  /// Why the group does not take us in; empty = it does, or has not said no.
  std::string group_trouble_;
  bool group_denied_ = false;
  /// Whether Kafka's answer about ends is awaited.
  bool ends_asked_ = false;
  std::optional<SteadyTime> offsets_again_at_;
  SteadyTime ends_again_at_;
  /// nullopt = none has been made, or all that it gave us was taken away.
  std::optional<SteadyTime> last_assignment_;
  std::uint64_t rebalances_ = 0;
  std::size_t partitions_owned_ = 0;
  std::vector<kafka::TopicPartition> to_release_;
  std::optional<SteadyTime> release_by_;
  std::optional<std::string> failure_;
  SteadyTime phase_deadline_;
  std::optional<SteadyTime> draining_until_;
  SteadyTime say_again_at_;
  SteadyTime remind_at_;
  SteadyTime publish_at_;
  /// Something may have happened since the last report.
  bool publish_due_ = true;
  std::optional<SteadyTime> last_traffic_;
  std::optional<UnixMicros> last_write_wall_;
  std::uint64_t commits_seen_ = 0;
  /// Since the last housekeeping.
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
  /// Of all records until the next housekeeping.
  UnixMicros ingested_at_ = 0;
};

}  // namespace bronze::ingest
