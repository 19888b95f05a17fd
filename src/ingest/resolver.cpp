#include "ingest/resolver.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "base/kill_point.h"
#include "base/sabotage.h"
#include "base/token.h"
#include "ingest/app_id.h"
#include "ingest/epoch.h"
#include "ingest/start_offsets.h"
#include "ingest/take_over.h"

namespace bronze::ingest {
namespace {

/// A topic id that was shown only for a moment may be that of a broker that lags behind.
constexpr std::chrono::seconds k_settling{3};

/// Whether the newest log entry is a commit of our group. kMissing cannot tell that it is.
delta::Lookup newest_entry_is_ours(delta::TableSink& table, const StartFacts& facts) {
  auto ours = table.log_entry_has_txn(facts.table.version, group_prefix(facts.group));
  if (ours.outcome.status == delta::StoreStatus::kMissing) ours = {};
  return ours;
}

/// Whether the topic may begin a new epoch, which has to come after all rows that are there.
bool may_begin_epoch(const StartFacts& facts) {
  const auto registered = position_in(facts.table.txns, registry_app_id(facts.group, facts.topic));
  return registered && !is_current_epoch(facts, *registered) &&
         facts.policies.topic_recreated != OnTopicRecreated::kStop;
}

/// Makes `latest` that of a table, if it is later.
delta::StoreOutcome look_for_last_ingestion(delta::TableSink& table,
                                            std::optional<UnixMicros>& latest) {
  auto last = table.last_ingestion();
  latest = std::max(latest, last.time);
  return std::move(last.outcome);
}

/// What the dead-letter table has to be asked about the topic.
DeadLetterQuestion question_of(const StartFacts& facts) {
  DeadLetterQuestion question{
      .progress = {}, .app_ids = {}, .since = epoch_start(facts).value_or(0)};
  for (const Partition partition : facts.all_partitions) {
    const auto app_id = partition_app_id(facts.group, facts.identity, partition);
    if (const auto progress = position_in(facts.table.txns, app_id)) {
      question.progress[partition] = *progress;
    }
    question.app_ids[partition] = app_id;
  }
  return question;
}

/// Adds what the dead-letter table says to what the main table says.
TableLoaded with_dead_letters(TableLoaded loaded, delta::TableSink& table, StartFacts facts,
                              DeadLetterPolicy policy) {
  facts.table = loaded.view;
  auto look = look_at_dead_letters(table, policy, question_of(facts));
  loaded.outcome = std::move(look.outcome);
  if (look.facts && loaded.outcome.ok() && may_begin_epoch(facts)) {
    loaded.outcome = look_for_last_ingestion(table, loaded.last_ingestion);
  }
  if (!loaded.outcome.ok()) loaded.outcome.message.insert(0, "the dead-letter table: ");
  loaded.dead_letters = std::move(look.facts);
  return loaded;
}

/// `facts`: all that is known but the table.
TableLoaded load(delta::TableSink& table, StartFacts facts) {
  TableLoaded loaded{.outcome = table.look(),
                     .view = {},
                     .has_data_files = false,
                     .newest_entry_is_ours = false,
                     .last_offsets = {},
                     .last_ingestion = {}};
  if (!loaded.outcome.ok()) return loaded;
  loaded.view = facts.table = table.snapshot();
  if (refusal_of(loaded.view.shape)) return loaded;
  delta::Lookup look;
  if (position_in(loaded.view.txns, registry_app_id(facts.group, facts.topic))) {
    if (may_begin_epoch(facts)) {
      loaded.outcome = look_for_last_ingestion(table, loaded.last_ingestion);
    }
    if (!loaded.outcome.ok()) return loaded;
    look = newest_entry_is_ours(table, facts);
    loaded.newest_entry_is_ours = look.found;
    look.found = !look.found || others_moved_the_group(facts);
  } else {
    look = table.has_data_files();
    loaded.has_data_files = look.found;
  }
  loaded.outcome = std::move(look.outcome);
  if (!loaded.outcome.ok() || !look.found) return loaded;
  if (sabotaged(Sabotage::kNoLookAtRows)) return loaded;
  auto last = table.last_offsets(offsets_that_matter(facts));
  loaded.outcome = std::move(last.outcome);
  loaded.last_offsets = std::move(last.offsets);
  return loaded;
}

bool cannot_be_used(delta::StoreStatus status) {
  return status == delta::StoreStatus::kMissing || status == delta::StoreStatus::kCorrupt ||
         status == delta::StoreStatus::kUnsupported || status == delta::StoreStatus::kFailed;
}

}  // namespace

Resolver::Resolver(ResolverSettings settings, ResolverParts parts)
    : settings_(std::move(settings)),
      parts_(parts),
      backoff_(static_cast<std::uint32_t>(std::hash<std::string>{}(settings_.topic)) + 1U),
      not_before_(parts.clock.now()) {
  facts_.topic = settings_.topic;
  facts_.group = settings_.group;
  facts_.start_source = settings_.start_source;
  facts_.policies = settings_.policies;
  facts_.dead_letter_policy = settings_.dead_letters;
  facts_.raw_value = settings_.raw_value;
}

void Resolver::begin() {
  stage_ = Stage::kTopic;
  not_before_ = parts_.clock.now();
  topic_asked_after_ = parts_.watch.sent();
  job_is_stale_ = job_runs_;
  refusal_.reset();
  registration_.reset();
  facts_.origins.clear();
  backoff_.reset();
}

std::optional<Resolution> Resolver::step(const std::set<Partition>& assigned) {
  if (refusal_) {
    stage_ = Stage::kNone;
    return std::exchange(refusal_, std::nullopt);
  }
  if (parts_.clock.now() < not_before_) return std::nullopt;
  switch (stage_) {
    case Stage::kNone:
      return std::nullopt;
    case Stage::kRegistering:
      if (registration_) register_topic_in_turn();
      return std::nullopt;
    case Stage::kTopic:
      look_at_topic();
      return std::nullopt;
    case Stage::kGroup:
      ask_group();
      return std::nullopt;
    case Stage::kWaitingForGroup:
      return std::nullopt;
    case Stage::kTable:
      load_table_in_turn();
      return std::nullopt;
    case Stage::kOffsets:
      ask_offsets();
      return std::nullopt;
    case Stage::kWaitingForOffsets:
      if (earliest_request_ || latest_request_ || policy_request_) return std::nullopt;
      return conclude(assigned);
  }
  return std::nullopt;
}

void Resolver::look_at_topic() {
  const auto* topic = parts_.watch.after(topic_asked_after_, settings_.topic);
  if (topic == nullptr) return;
  if (!topic->error.empty() || topic->partitions.empty()) {
    topic_asked_after_ = parts_.watch.sent();
    wait_and(Stage::kTopic, "describe_topic", "Kafka does not describe the topic: " + topic->error);
    return;
  }
  facts_.identity = topic->identity;
  facts_.all_partitions = topic->partitions;
  stage_ = Stage::kGroup;
}

void Resolver::ask_group() {
  stage_ = Stage::kWaitingForGroup;
  group_request_ = parts_.source.list_group_offsets(settings_.topic, facts_.all_partitions);
}

void Resolver::load_table_in_turn() {
  if (job_runs_ || !parts_.turn.try_take()) return;
  job_runs_ = true;
  kill_point("assign_before_read");
  parts_.executor.submit(settings_.lane, parts_.executor.new_strand(),
                         make_job([tables = parts_.tables, facts = facts_,
                                   policy = settings_.dead_letters]() -> JobOutcome {
                           auto loaded = load(tables.rows, facts);
                           if (!loaded.outcome.ok() || tables.dead_letters == nullptr) {
                             return loaded;
                           }
                           return with_dead_letters(std::move(loaded), *tables.dead_letters, facts,
                                                    policy);
                         }));
}

void Resolver::on_job(const JobOutcome& outcome) {
  const auto* loaded = std::get_if<TableLoaded>(&outcome);
  const auto* registered = std::get_if<TopicRegistered>(&outcome);
  if (loaded == nullptr && registered == nullptr) return;
  job_runs_ = false;
  parts_.turn.give_back();
  const bool stale = std::exchange(job_is_stale_, false) || stage_ == Stage::kNone;
  if (stale) return;
  if (registered != nullptr) {
    take_registration(*registered);
    return;
  }
  if (loaded->outcome.status == delta::StoreStatus::kDenied) {
    refusal_ = WriteRefused{loaded->outcome.message};
    return;
  }
  if (cannot_be_used(loaded->outcome.status)) {
    refusal_ = HaltTopic{"the table cannot be used: " + loaded->outcome.message};
    return;
  }
  if (!loaded->outcome.ok()) {
    wait_and(Stage::kTable, "load_table", "the table cannot be read: " + loaded->outcome.message);
    return;
  }
  facts_.table = loaded->view;
  facts_.dead_letters = loaded->dead_letters;
  facts_.table_has_data_files = loaded->has_data_files;
  facts_.newest_entry_is_ours = loaded->newest_entry_is_ours;
  table_seen_ = parts_.watch.sent();
  facts_.last_offsets = loaded->last_offsets;
  facts_.last_ingestion = loaded->last_ingestion;
  kill_point("assign_after_read");
  stage_ = Stage::kOffsets;
}

void Resolver::take_registration(const TopicRegistered& registered) {
  const CommitResult& result = registered.result;
  if (result.status == CommitStatus::kDone) {
    kill_point("init_after_put");
    parts_.log.tell(
        LogEvent::kRegistered,
        {.topic = settings_.topic, .version = result.version, .token = registered.token},
        "{}: topic {} registered in the table at version {}", settings_.topic, facts_.identity.text,
        result.version);
    stage_ = Stage::kTable;
  } else if (result.status == CommitStatus::kFatal) {
    refusal_ = WriteRefused{result.message};
  } else {
    // Whoever won: the table says what holds.
    wait_and(Stage::kGroup, "register", result.message);
  }
}

void Resolver::ask_offsets() {
  stage_ = Stage::kWaitingForOffsets;
  const auto list = [&](kafka::OffsetSpec spec, std::int64_t unix_ms) {
    return parts_.source.list_offsets(settings_.topic, facts_.all_partitions, spec, unix_ms);
  };
  earliest_request_ = list(kafka::OffsetSpec::kEarliest, 0);
  latest_request_ = list(kafka::OffsetSpec::kLatest, 0);
  policy_request_.reset();
  if (const auto* at = std::get_if<StartAtTime>(&settings_.start)) {
    policy_request_ = list(kafka::OffsetSpec::kAtTime, at->unix_ms);
  }
}

void Resolver::on_offsets(const kafka::OffsetsListed& answer) {
  for (auto [request, place] :
       {std::pair{&earliest_request_, &facts_.earliest},
        std::pair{&latest_request_, &facts_.latest}, std::pair{&policy_request_, &facts_.policy}}) {
    if (*request != answer.request) continue;
    request->reset();
    *place = answer.offsets;
    if (!answer.error.empty() && stage_ == Stage::kWaitingForOffsets) {
      wait_and(Stage::kOffsets, "list_offsets",
               "Kafka does not list the topic's offsets: " + answer.error);
    }
  }
}

void Resolver::on_group_offsets(const kafka::GroupOffsetsListed& answer) {
  if (group_request_ != answer.request) return;
  group_request_.reset();
  facts_.group_offsets = answer.offsets;
  if (stage_ != Stage::kWaitingForGroup) return;
  stage_ = Stage::kTable;
  if (!answer.error.empty()) {
    wait_and(Stage::kGroup, "list_group_offsets",
             "Kafka does not tell the group's offsets: " + answer.error);
  }
}

std::optional<Resolution> Resolver::conclude(const std::set<Partition>& assigned) {
  facts_.policy = policy_offsets(
      settings_.start,
      {.earliest = facts_.earliest, .latest = facts_.latest, .at_time = facts_.policy});
  facts_.now = parts_.clock.wall();
  Resolution resolution = resolve(facts_, assigned);
  if (may_be_outdated(resolution)) return std::nullopt;
  if (const auto* registration = std::get_if<RegisterTopic>(&resolution)) {
    stage_ = Stage::kRegistering;
    registration_ = *registration;
    facts_.origins = registration->origins;
    register_topic_in_turn();
    return std::nullopt;
  }
  if (std::holds_alternative<StartDecisions>(resolution)) remember_table();
  stage_ = Stage::kNone;
  trouble_.clear();
  return resolution;
}

void Resolver::register_topic_in_turn() {
  if (job_runs_ || !parts_.turn.try_take()) return;
  CommitTask task;
  task.steps = registration_->steps;
  task.token = new_token();
  task.parameters = {{"bronzeTopic", settings_.topic}, {"bronzeRegisters", facts_.identity.text}};
  if (!registration_->others.empty()) task.parameters["bronzeTakesOver"] = registration_->others;
  if (!registration_->replaces.empty()) task.parameters["bronzeReplaces"] = registration_->replaces;
  say_what_is_registered();
  registration_.reset();
  task.shape = facts_.table.shape;
  task.follows = facts_.table.version;
  job_runs_ = true;
  parts_.executor.submit(
      settings_.lane, parts_.executor.new_strand(),
      make_job([&table = parts_.tables.rows, &clock = parts_.clock, task]() -> JobOutcome {
        return TopicRegistered{attempt_commit(table, task, clock), task.token};
      }));
}

void Resolver::say_what_is_registered() const {
  if (!registration_->others.empty()) {
    parts_.log.tell(
        LogEvent::kTakenOver, {.topic = settings_.topic, .reason = registration_->others},
        "{}: another program wrote to the table and worked in consumer group {} since: {}",
        settings_.topic, settings_.group, registration_->others);
  }
  if (!registration_->replaces.empty()) {
    parts_.log.tell(
        LogEvent::kTopicRecreated,
        {.topic = settings_.topic, .reason = "ON_TOPIC_RECREATED=new_epoch"},
        "{}: the topic was deleted and created again, or is on another cluster: its id was {} and "
        "is now {}. The table keeps what it has of the old one; the new one goes into it from its "
        "beginning (ON_TOPIC_RECREATED=new_epoch)",
        settings_.topic, registration_->replaces, facts_.identity.text);
    if (facts_.last_ingestion && *facts_.last_ingestion >= facts_.now) {
      spdlog::warn(
          "{}: the table has rows that bear a time {} s from now, by a clock that was ahead. {}",
          settings_.topic, (*facts_.last_ingestion - facts_.now) / 1'000'000,
          *facts_.last_ingestion - facts_.now <= k_lead_max_us
              ? "Rows of the new topic bear none before it, so that the two can be told apart"
              : "By their times, those rows look like rows of the new topic");
    }
  }
}

bool Resolver::may_be_outdated(const Resolution& resolution) {
  const auto registered =
      position_in(facts_.table.txns, registry_app_id(settings_.group, settings_.topic));
  if (!registered || is_current_epoch(facts_, *registered)) return false;
  // Another instance may have registered a topic that took the place of the one that we asked about
  // first: only what Kafka shows after the look at the table is later than what the table says.
  const auto* shown = parts_.watch.after(table_seen_, settings_.topic);
  if (shown == nullptr) return true;
  const auto* registration = std::get_if<RegisterTopic>(&resolution);
  const bool settled = parts_.watch.shown_for(settings_.topic, facts_.identity) >=
                       (registration == nullptr ? Duration{} : Duration{k_settling});
  if (shown->error.empty() && shown->identity == facts_.identity && settled) return false;
  topic_asked_after_ = parts_.watch.sent();
  wait_and(Stage::kTopic, "describe_topic",
           "Kafka shows another topic of this name than the table; making sure which one it is");
  return true;
}

void Resolver::remember_table() {
  facts_.known_table_id = facts_.table.shape.id;
  if (facts_.dead_letters) facts_.known_dead_letters_id = facts_.dead_letters->shape.id;
  facts_.known_app_ids.insert(registry_app_id(settings_.group, settings_.topic));
  for (const Partition partition : facts_.all_partitions) {
    const auto app_id = partition_app_id(settings_.group, facts_.identity, partition);
    if (facts_.table.txns.contains(app_id)) facts_.known_app_ids.insert(app_id);
  }
}

void Resolver::wait_and(Stage stage, std::string_view operation, const std::string& why) {
  trouble_.set(why, [&] {
    return parts_.log.tell(LogEvent::kRetry,
                           {.topic = settings_.topic, .operation = operation, .reason = why},
                           "{}: {}; trying again", settings_.topic, why);
  });
  stage_ = stage;
  not_before_ = parts_.clock.now() + backoff_.next();
}

SteadyTime Resolver::next_deadline() const {
  const bool acts = stage_ == Stage::kTopic || stage_ == Stage::kGroup || stage_ == Stage::kTable ||
                    stage_ == Stage::kOffsets;
  return acts && not_before_ > parts_.clock.now() ? not_before_ : SteadyTime::max();
}

}  // namespace bronze::ingest
