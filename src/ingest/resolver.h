#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/event_log.h"
#include "base/start_policy.h"
#include "ingest/backoff.h"
#include "ingest/executor.h"
#include "ingest/lane_table.h"
#include "ingest/resolve.h"
#include "ingest/standing_trouble.h"
#include "ingest/table_turn.h"
#include "ingest/topic_watch.h"
#include "kafka/message_source.h"

namespace bronze::ingest {

struct ResolverSettings {
  std::string topic;
  std::size_t lane = 0;
  std::string group;
  StartPolicy start;
  StartSource start_source = StartSource::kDefault;
  Policies policies = {};
  DeadLetterPolicy dead_letters = DeadLetterPolicy::kNever;
  RawValue raw_value = RawValue::kString;
};

/// What a resolver works with; all outlive it.
struct ResolverParts {
  kafka::MessageSource& source;
  LaneTables tables;
  TableTurn& turn;
  Executor& executor;
  const Clock& clock;
  EventLog& log;
  TopicWatch& watch;
};

/// Finds out where the partitions of one lane begin: which topic it is, what the table says, what
/// Kafka holds; registers the topic in the table when it is new there.
///
/// Owned by its lane; ingest thread; nothing blocks. Failed look-ups are repeated for ever: while
/// Kafka or the store cannot be reached nothing may be decided.
class Resolver {
 public:
  Resolver(ResolverSettings settings, ResolverParts parts);

  /// Starts, or starts over.
  void begin();
  void cancel() { stage_ = Stage::kNone; }
  [[nodiscard]] bool active() const { return stage_ != Stage::kNone; }
  void on_offsets(const kafka::OffsetsListed& answer);
  void on_group_offsets(const kafka::GroupOffsetsListed& answer);
  void on_job(const JobOutcome& outcome);

  /// Moves on; the decision once it is there, and then the resolver is no longer active.
  [[nodiscard]] std::optional<Resolution> step(const std::set<Partition>& assigned);
  [[nodiscard]] SteadyTime next_deadline() const;

  [[nodiscard]] const StartFacts& facts() const { return facts_; }
  /// Why the last look-up failed; empty = none did.
  [[nodiscard]] const std::string& trouble() const { return trouble_.text(); }

 private:
  enum class Stage {
    kNone,
    kTopic,
    kGroup,
    kWaitingForGroup,
    kTable,
    kOffsets,
    kWaitingForOffsets,
    /// `registration_` waits for its turn, or is being committed.
    kRegistering,
  };

  void look_at_topic();
  void ask_group();
  void load_table_in_turn();
  void ask_offsets();
  void register_topic_in_turn();
  void take_registration(const TopicRegistered& registered);
  void remember_table();
  void say_what_is_registered() const;
  /// Whether the topic that was asked about may be older than the one in the table; asks again.
  [[nodiscard]] bool may_be_outdated(const Resolution& resolution);
  /// `operation`: what did not succeed, for the log.
  void wait_and(Stage stage, std::string_view operation, const std::string& why);
  [[nodiscard]] std::optional<Resolution> conclude(const std::set<Partition>& assigned);

  const ResolverSettings settings_;
  ResolverParts parts_;
  Backoff backoff_;
  Stage stage_ = Stage::kNone;
  SteadyTime not_before_;
  StartFacts facts_;
  std::uint64_t topic_asked_after_ = 0;
  /// Requests about topics that had been sent when the table was looked at.
  std::uint64_t table_seen_ = 0;
  std::optional<kafka::RequestId> earliest_request_;
  std::optional<kafka::RequestId> latest_request_;
  std::optional<kafka::RequestId> policy_request_;
  std::optional<kafka::RequestId> group_request_;
  std::optional<RegisterTopic> registration_;
  bool job_runs_ = false;
  /// A job that began before the last `begin` still runs; its answer means nothing.
  bool job_is_stale_ = false;
  StandingTrouble trouble_;
  /// A job's answer ended the look-up; `step` has not said so yet.
  std::optional<Resolution> refusal_;
};

}  // namespace bronze::ingest
