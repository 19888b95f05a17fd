#include "commands/check_judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>

#include "base/exit_codes.h"
#include "batch/schema.h"
#include "ingest/app_id.h"
#include "ingest/progress.h"
#include "ingest/resolve.h"
#include "ingest/start_offsets.h"
#include "ingest/store_probe.h"

namespace bronze::commands {
namespace {

using delta::StoreStatus;
using kafka::Right;
using kafka::TopicLook;
using kafka::Trouble;

constexpr const char* k_assignor = "cooperative-sticky";

std::string seconds_of(std::chrono::milliseconds timeout) {
  return fmt::format("{:g} s", static_cast<double>(timeout.count()) / 1000);
}

template <typename Value>
std::optional<Value> value_in(const std::map<Partition, Value>& map, Partition partition) {
  const auto found = map.find(partition);
  return found == map.end() ? std::nullopt : std::optional(found->second);
}

Level level_of(const Trouble& trouble) {
  switch (trouble.kind) {
    case Trouble::Kind::kNone:
      return Level::kOk;
    case Trouble::Kind::kUnreachable:
      return Level::kUnknown;
    case Trouble::Kind::kDenied:
    case Trouble::Kind::kUntrusted:
    case Trouble::Kind::kUnknownTopic:
    case Trouble::Kind::kOther:
      return Level::kProblem;
  }
  return Level::kProblem;
}

std::string advice_of(const Trouble& trouble, const std::string& otherwise) {
  return trouble.advice.empty() ? otherwise : trouble.advice;
}

std::string advice_without_kafka(const CheckFacts& facts) {
  const std::string tokens =
      facts.token_url.empty() ? "" : ", that the server of the tokens runs at " + facts.token_url;
  return "Check that the brokers run" + tokens +
         ", that this machine reaches them, and that "
         "KAFKA_BOOTSTRAP_SERVERS and KAFKA_SECURITY_PROTOCOL fit them";
}

// --- Kafka ---------------------------------------------------------------------------------------

Finding judge_cluster(const CheckFacts& facts) {
  const auto& look = facts.kafka;
  switch (look.trouble.kind) {
    case Trouble::Kind::kNone:
      break;
    case Trouble::Kind::kUnreachable:
      return {Level::kUnknown, "cluster",
              fmt::format("{} did not answer within {}: {}", facts.bootstrap_servers,
                          seconds_of(facts.timeout), look.trouble.message),
              advice_of(look.trouble, advice_without_kafka(facts))};
    case Trouble::Kind::kDenied:
      return {Level::kProblem, "cluster",
              fmt::format("{} denies access: {}", facts.bootstrap_servers, look.trouble.message),
              advice_of(look.trouble,
                        "Check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")};
    case Trouble::Kind::kUntrusted:
      return {Level::kProblem, "cluster",
              fmt::format("{}: no connection: {}", facts.bootstrap_servers, look.trouble.message),
              advice_of(look.trouble, "Check KAFKA_SSL_*, and ssl.* in KAFKA_PROPERTIES")};
    case Trouble::Kind::kUnknownTopic:
    case Trouble::Kind::kOther:
      return {Level::kProblem, "cluster",
              fmt::format("{}: {}", facts.bootstrap_servers, look.trouble.message), ""};
  }
  std::string brokers;
  for (const auto& broker : look.brokers) {
    brokers += fmt::format("{}{} at {}", brokers.empty() ? "" : ", ", broker.id, broker.address);
  }
  return {Level::kOk, "cluster",
          fmt::format("{}, {} broker{}: {}", look.cluster_id, look.brokers.size(),
                      look.brokers.size() == 1 ? "" : "s", brokers),
          ""};
}

Finding judge_group(const CheckFacts& facts) {
  const auto& look = facts.kafka.group;
  const std::string grant =
      "Grant this user READ and DESCRIBE on the consumer group " + facts.group;
  if (look.trouble.any()) {
    return {level_of(look.trouble), "group",
            fmt::format("{}: {}", facts.group, look.trouble.message),
            look.trouble.kind == Trouble::Kind::kDenied ? grant : ""};
  }
  if (look.may_read == Right::kMissing) {
    return {Level::kProblem, "group", facts.group + ": this user may not join it", grant};
  }
  if (look.members == 0) return {Level::kOk, "group", facts.group + ": no members now", ""};
  const std::string members = fmt::format("{}: {} member{}, {}", facts.group, look.members,
                                          look.members == 1 ? "" : "s", look.state);
  if (look.assignor.empty() || look.assignor == k_assignor) {
    return {Level::kOk, "group", members, ""};
  }
  return {Level::kWarning, "group",
          fmt::format("{}; they share the partitions by the assignor {}, and bronze by {}: it "
                      "cannot join while they are there",
                      members, look.assignor, k_assignor),
          "Stop the other members first, or use another KAFKA_CONSUMER_GROUP"};
}

PatternReport describe_pattern(const CheckFacts& facts, const std::string& pattern) {
  PatternReport report{.pattern = pattern, .topics = {}};
  if (facts.match) report.topics = facts.match->of_pattern.at(pattern);
  return report;
}

Finding judge_pattern(const CheckFacts& facts, const PatternReport& report) {
  const auto& look = facts.kafka;
  if (!report.topics) {
    const Trouble& trouble = look.trouble.any() ? look.trouble : look.list_trouble;
    return {look.trouble.any() ? Level::kUnknown : level_of(trouble), "pattern",
            fmt::format("{}: what it matches is not known, since Kafka does not tell its topics{}",
                        report.pattern, trouble.any() ? ": " + trouble.message : ""),
            ""};
  }
  const std::size_t count = report.topics->size();
  if (count == 0) {
    return {Level::kWarning, "pattern",
            report.pattern + ": no topic matches now; the service waits for one",
            "Create one, correct KAFKA_TOPICS, or grant this user DESCRIBE on the topics: it sees "
            "no others"};
  }
  return {Level::kOk, "pattern",
          fmt::format("{}: {} now", report.pattern,
                      count == 1 ? "1 topic matches" : fmt::format("{} topics match", count)),
          ""};
}

KafkaReport judge_kafka(const CheckFacts& facts) {
  const auto& look = facts.kafka;
  KafkaReport report{.reachable = !look.trouble.any(),
                     .cluster_id = look.cluster_id,
                     .brokers = look.brokers,
                     .group = facts.group,
                     .group_state = look.group.state,
                     .group_assignor = look.group.assignor,
                     .group_members = look.group.members,
                     .patterns = {},
                     .findings = {judge_cluster(facts)}};
  if (report.reachable) report.findings.push_back(judge_group(facts));
  for (const auto& pattern : facts.patterns) {
    report.patterns.push_back(describe_pattern(facts, pattern));
    report.findings.push_back(judge_pattern(facts, report.patterns.back()));
  }
  return report;
}

// --- the store -----------------------------------------------------------------------------------

StoreReport judge_store(const CheckFacts& facts) {
  using Kind = ingest::ProbeVerdict::Kind;
  constexpr const char* k_repair =
      "Check that the store and the source of its credentials run, that this machine reaches them, "
      "and that S3_ENDPOINT_URL names the store";
  StoreReport report{.base_uri = facts.base_uri, .put_if_absent = {}, .findings = {}};
  if (!facts.store.probe) {
    report.findings.push_back(
        {Level::kUnknown, "store",
         fmt::format("{} did not answer within {}", facts.base_uri, seconds_of(facts.timeout)),
         k_repair});
    return report;
  }
  const auto verdict = ingest::judge_probe(*facts.store.probe, facts.base_uri);
  switch (verdict.kind) {
    case Kind::kUsable:
      report.put_if_absent = true;
      report.findings.push_back(
          {Level::kOk, "store", facts.base_uri + ": writable, honours put-if-absent", ""});
      break;
    case Kind::kNoAnswer:
      report.findings.push_back({Level::kUnknown, "store",
                                 facts.base_uri + " cannot be reached: " + verdict.message,
                                 k_repair});
      break;
    case Kind::kRefused:
      if (facts.store.probe->status == StoreStatus::kUnsupported) report.put_if_absent = false;
      report.findings.push_back({Level::kProblem, "store", verdict.message, ""});
      break;
  }
  return report;
}

/// Without it everything works.
void add_redis(const CheckFacts& facts, StoreReport& report) {
  if (!facts.redis) return;
  if (facts.redis->empty()) {
    report.findings.push_back({Level::kOk, "redis", "answers", ""});
    return;
  }
  report.findings.push_back(
      {Level::kWarning, "redis",
       "cannot be used: " + *facts.redis +
           "; the service works without it, but reads the logs of all tables when it starts",
       "Check that it runs, that this machine reaches it, and that REDIS_URL and REDIS_CA fit it"});
}

/// Only then does an absent table mean anything.
bool store_answers(const StoreLook& store) {
  return store.probe && (store.probe->ok() || store.probe->status == StoreStatus::kUnsupported);
}

// --- one topic -----------------------------------------------------------------------------------

/// All about one topic.
struct TopicFacts {
  const CheckFacts& all;
  const TopicLook& kafka;
  const TableLook& table;

  [[nodiscard]] bool table_is_absent() const {
    return store_answers(all.store) && table.loaded &&
           table.loaded->status == StoreStatus::kMissing;
  }
  [[nodiscard]] bool table_is_there() const { return table.loaded && table.loaded->ok(); }
  /// Why the service would not copy it, though a pattern matches; empty = it would.
  [[nodiscard]] std::string refused() const {
    if (!all.match) return "";
    const auto found = all.match->refused.find(kafka.topic);
    return found == all.match->refused.end() ? "" : found->second;
  }
  [[nodiscard]] bool topic_is_known() const {
    return !kafka.trouble.any() && !kafka.partitions.empty();
  }
};

Finding judge_topic(const TopicFacts& facts) {
  const TopicLook& look = facts.kafka;
  const std::string grant = "Grant this user READ and DESCRIBE on the topic";
  if (facts.all.kafka.trouble.any()) {
    return {Level::kUnknown, "topic", "not known, since Kafka does not answer", ""};
  }
  switch (look.trouble.kind) {
    case Trouble::Kind::kNone:
      break;
    case Trouble::Kind::kUnknownTopic:
      return {Level::kWarning, "topic", "does not exist yet: the service waits for it",
              "Create it, or correct KAFKA_TOPICS"};
    case Trouble::Kind::kDenied:
      return {Level::kProblem, "topic", look.trouble.message, grant};
    case Trouble::Kind::kUnreachable:
    case Trouble::Kind::kUntrusted:
    case Trouble::Kind::kOther:
      return {level_of(look.trouble), "topic", look.trouble.message, look.trouble.advice};
  }
  const std::string text = fmt::format("{} partition{}, id {}", look.partitions.size(),
                                       look.partitions.size() == 1 ? "" : "s", look.identity.text);
  if (look.may_read == Right::kMissing) {
    return {Level::kProblem, "topic", text + "; this user may not read it", grant};
  }
  if (look.without_id) {
    return {Level::kWarning, "topic",
            text +
                "; the brokers know no topic ids: a topic that is deleted and created again "
                "cannot be told from the old one",
            ""};
  }
  return {Level::kOk, "topic", text, ""};
}

Finding judge_table(const TopicFacts& facts, const TableReport& report) {
  const std::string& name = report.directory;
  if (facts.table_is_absent()) {
    return {Level::kOk, "table", name + ": not there yet, the service creates it", ""};
  }
  if (facts.table_is_there()) {
    if (const auto refusal = ingest::refusal_of(facts.table.view.shape)) {
      return {Level::kProblem, "table", name + ": " + *refusal,
              "If it is not a table of bronze, move it away or point DELTA_BASE_PATH at another "
              "place"};
    }
    if (const auto refusal =
            ingest::raw_value_refusal(facts.table.view.shape, facts.all.raw_value)) {
      return {Level::kProblem, "table", name + ": " + *refusal, ""};
    }
    return {Level::kOk, "table", fmt::format("{}: version {}", name, *report.version), ""};
  }
  if (!store_answers(facts.all.store)) {
    return {Level::kUnknown, "table", name + ": not known, since the store cannot be used", ""};
  }
  if (!facts.table.loaded) {
    return {Level::kUnknown, "table",
            fmt::format("{}: no answer within {}", name, seconds_of(facts.all.timeout)), ""};
  }
  const auto& loaded = *facts.table.loaded;
  if (loaded.status == StoreStatus::kTransient || loaded.status == StoreStatus::kConflict) {
    return {Level::kUnknown, "table", name + " cannot be read: " + loaded.message, ""};
  }
  return {Level::kProblem, "table", name + " cannot be used: " + loaded.message, ""};
}

TableReport describe_table(const TopicFacts& facts) {
  using Registry = TableReport::Registry;
  TableReport report;
  report.directory = config::table_directory(facts.kafka.topic);
  if (facts.table_is_absent()) {
    report.state = TableReport::State::kAbsent;
    report.registry = Registry::kAbsent;
  }
  if (!facts.table_is_there()) return report;
  report.state = TableReport::State::kPresent;
  report.version = facts.table.view.version;
  report.id = facts.table.view.shape.id;
  const auto registered = ingest::position_in(
      facts.table.view.txns, ingest::registry_app_id(facts.all.group, facts.kafka.topic));
  if (!registered) {
    report.registry = Registry::kAbsent;
  } else if (facts.topic_is_known()) {
    report.registry = registered->value == facts.kafka.identity.number ? Registry::kSameTopic
                                                                       : Registry::kOtherTopic;
  }
  return report;
}

PartitionReport describe_partition(const TopicFacts& facts, Partition partition) {
  PartitionReport report{.partition = partition,
                         .level = Level::kUnknown,
                         .progress = {},
                         .earliest = value_in(facts.kafka.earliest, partition),
                         .latest = value_in(facts.kafka.latest, partition),
                         .lag = {},
                         .group_offset = {},
                         .start = {},
                         .reason = {}};
  if (const auto committed = value_in(facts.kafka.group_offsets, partition)) {
    report.group_offset = committed->offset;
  }
  if (facts.table_is_there()) {
    report.progress = ingest::position_in(
        facts.table.view.txns,
        ingest::partition_app_id(facts.all.group, facts.kafka.identity, partition));
  }
  return report;
}

/// What the service would look at; a table that is not there is taken as just created.
ingest::StartFacts start_facts(const TopicFacts& facts) {
  ingest::StartFacts start;
  start.topic = facts.kafka.topic;
  start.group = facts.all.group;
  start.identity = facts.kafka.identity;
  start.all_partitions = facts.kafka.partitions;
  start.earliest = facts.kafka.earliest;
  start.latest = facts.kafka.latest;
  start.policy = ingest::policy_offsets(facts.all.start, {.earliest = facts.kafka.earliest,
                                                          .latest = facts.kafka.latest,
                                                          .at_time = facts.kafka.at_time});
  start.group_offsets = facts.kafka.group_offsets;
  start.table = facts.table.view;
  start.table_has_data_files = facts.table.has_data_files;
  start.newest_entry_is_ours = facts.table.newest_entry_is_ours;
  start.last_offsets = facts.table.last_offsets;
  start.start_source = facts.all.start_source;
  start.policies = facts.all.policies;
  start.raw_value = facts.all.raw_value;
  if (facts.table_is_absent()) {
    start.table.shape.id = "not created yet";
    start.table.shape.schema_json = batch::table_schema({}, facts.all.raw_value);
    start.table.shape.configuration = ingest::raw_value_properties(facts.all.raw_value);
    start.table.shape.partition_columns = {batch::k_partition_column};
  }
  return start;
}

std::string advice_on(const PartitionReport& partition) {
  constexpr const char* k_anew =
      "To go on without them, move the table and its dead-letter table away and use another "
      "KAFKA_CONSUMER_GROUP";
  if (!partition.progress || !partition.earliest || !partition.latest) return "";
  if (*partition.progress < *partition.earliest) {
    return "For a new table instead, move this one and its dead-letter table away and use another "
           "KAFKA_CONSUMER_GROUP";
  }
  if (*partition.progress > *partition.latest) {
    return std::string(
               "Ask again when no broker is failing over. If it stays so, the brokers lost "
               "records that are in the table. ") +
           k_anew;
  }
  return "";
}

void take_decision(const ingest::StartDecisions& decisions, TopicReport& report) {
  for (PartitionReport& partition : report.partitions) {
    const auto found = decisions.partitions.find(partition.partition);
    if (found == decisions.partitions.end()) continue;
    if (const auto* start = std::get_if<ingest::PartitionStart>(&found->second)) {
      partition.start = start->offset;
      partition.reason = start->reason;
      partition.level = start->gap ? Level::kWarning : Level::kOk;
      if (start->gap) {
        report.findings.push_back({Level::kWarning,
                                   fmt::format("partition {}", number(partition.partition)),
                                   partition.reason, "A longer retention prevents it"});
      }
      continue;
    }
    partition.reason = std::get<ingest::PartitionHalt>(found->second).reason;
    partition.level = Level::kProblem;
    report.findings.push_back({Level::kProblem,
                               fmt::format("partition {}", number(partition.partition)),
                               partition.reason, advice_on(partition)});
  }
}

std::string what_begins(const ingest::RegisterTopic& registration, const TopicFacts& facts) {
  if (!registration.others.empty()) {
    return "another program wrote to the table since and is taken over: " + registration.others;
  }
  return facts.table.has_data_files
             ? "the table has rows of another program and is taken over: each partition begins "
               "where its line says"
             : "the table does not know the topic yet: every partition begins where KAFKA_START "
               "says";
}

void take_decision(const ingest::RegisterTopic& registration, const TopicFacts& facts,
                   TopicReport& report) {
  for (PartitionReport& partition : report.partitions) {
    const auto app_id =
        ingest::partition_app_id(facts.all.group, facts.kafka.identity, partition.partition);
    partition.start = partition.progress;
    for (const auto& step : registration.steps) {
      if (step.app_id == app_id) partition.start = Offset{step.next};
    }
    const auto origin = registration.origins.find(partition.partition);
    if (origin != registration.origins.end()) {
      partition.reason = origin->second.reason;
    } else {
      partition.reason = partition.progress ? "the table's progress" : "KAFKA_START";
    }
    partition.level = Level::kOk;
  }
  if (!registration.replaces.empty()) {
    report.findings.push_back(
        {Level::kWarning, "start",
         fmt::format(
             "the topic was deleted and created again, or is on another cluster: its id was "
             "{} and is now {}. ON_TOPIC_RECREATED=new_epoch: the table keeps what it has, "
             "and the new topic goes into it from its beginning",
             registration.replaces, facts.kafka.identity.text),
         ""});
    return;
  }
  report.findings.push_back({Level::kOk, "start", what_begins(registration, facts), ""});
}

void halt_all(Level level, const std::string& reason, TopicReport& report) {
  for (PartitionReport& partition : report.partitions) {
    partition.level = level;
    partition.reason = reason;
  }
}

void halt(const std::string& reason, TopicReport& report) {
  halt_all(Level::kProblem, reason, report);
  report.findings.push_back({Level::kProblem, "start", reason, ""});
}

/// Kafka's part of what `resolve` needs; false = it cannot be asked.
bool judge_offsets(const TopicFacts& facts, TopicReport& report) {
  const auto say = [&](const Trouble& trouble, const std::string& what, const std::string& grant) {
    report.findings.push_back({level_of(trouble), "offsets",
                               fmt::format("Kafka does not tell {}: {}", what, trouble.message),
                               trouble.kind == Trouble::Kind::kDenied ? grant : ""});
  };
  const auto& look = facts.kafka;
  if (look.offsets_trouble.any()) {
    say(look.offsets_trouble, "the topic's offsets",
        "Grant this user READ and DESCRIBE on the topic");
  }
  if (look.group_offsets_trouble.any()) {
    say(look.group_offsets_trouble, "the group's offsets",
        "Grant this user READ and DESCRIBE on the consumer group " + facts.all.group);
  }
  return !look.offsets_trouble.any() && !look.group_offsets_trouble.any();
}

/// REQUIRES: the last finding is that of the table.
void judge_start(const TopicFacts& facts, TopicReport& report) {
  const Finding table = report.findings.back();
  if (const auto why_not = facts.refused(); !why_not.empty()) {
    halt_all(Level::kProblem, why_not, report);
    report.findings.push_back(
        {Level::kProblem, "start", "the topic is not copied: " + why_not,
         "Let the regular expressions match only one of the two, and copy the other with another "
         "instance and DELTA_BASE_PATH"});
    return;
  }
  if (!facts.topic_is_known() || !judge_offsets(facts, report)) return;
  if (table.level != Level::kOk) return halt_all(table.level, table.message, report);
  const std::set<Partition> all(facts.kafka.partitions.begin(), facts.kafka.partitions.end());
  const auto resolution = ingest::resolve(start_facts(facts), all);
  if (const auto* decisions = std::get_if<ingest::StartDecisions>(&resolution)) {
    take_decision(*decisions, report);
  } else if (const auto* registration = std::get_if<ingest::RegisterTopic>(&resolution)) {
    take_decision(*registration, facts, report);
  } else if (const auto* halted = std::get_if<ingest::HaltTopic>(&resolution)) {
    halt(halted->reason, report);
  } else {
    halt(std::get<ingest::WriteRefused>(resolution).reason, report);
  }
}

void add_up_lag(TopicReport& report) {
  std::int64_t sum = 0;
  bool all_known = !report.partitions.empty();
  for (PartitionReport& partition : report.partitions) {
    const auto from = partition.start ? partition.start : partition.progress;
    if (from && partition.latest) {
      partition.lag = std::max<std::int64_t>(partition.latest->value - from->value, 0);
      sum += *partition.lag;
    } else {
      all_known = false;
    }
  }
  if (all_known) report.lag = sum;
}

/// The table's totals say how many dead letters wait; that they cannot be told is not a finding.
void take_dead_letters(const TopicFacts& facts, TopicReport& report) {
  DeadLetterReport& dead = report.dead_letters;
  dead.directory = config::dead_letter_directory(report.topic);
  if (!facts.table.dead_letters) return;
  const auto& totals = *facts.table.dead_letters;
  if (totals.outcome.status == StoreStatus::kMissing) dead.state = TableReport::State::kAbsent;
  if (!totals.outcome.ok()) return;
  dead.state = TableReport::State::kPresent;
  dead.rows = totals.rows;
  report.findings.push_back(
      {Level::kOk, "dead letters", fmt::format("{} holds {}", dead.directory, totals.rows), ""});
}

TopicReport judge(const TopicFacts& facts) {
  const TopicLook& look = facts.kafka;
  TopicReport report{.topic = look.topic,
                     .exists = {},
                     .id = {},
                     .table = describe_table(facts),
                     .partitions = {},
                     .lag = {},
                     .findings = {}};
  if (facts.topic_is_known()) {
    report.exists = true;
    report.id = look.identity.text;
  } else if (look.trouble.kind == Trouble::Kind::kUnknownTopic) {
    report.exists = false;
  }
  for (const Partition partition : look.partitions) {
    report.partitions.push_back(describe_partition(facts, partition));
  }
  report.findings.push_back(judge_topic(facts));
  report.findings.push_back(judge_table(facts, report.table));
  judge_start(facts, report);
  take_dead_letters(facts, report);
  add_up_lag(report);
  return report;
}

template <typename Use>
void for_each_finding(const CheckReport& report, const Use& use) {
  std::for_each(report.configuration.begin(), report.configuration.end(), use);
  std::for_each(report.kafka.findings.begin(), report.kafka.findings.end(), use);
  std::for_each(report.store.findings.begin(), report.store.findings.end(), use);
  for (const auto& topic : report.topics) {
    std::for_each(topic.findings.begin(), topic.findings.end(), use);
  }
}

}  // namespace

CheckReport judge(const CheckFacts& facts) {
  CheckReport report{.settings = facts.settings,
                     .configuration = {},
                     .kafka = judge_kafka(facts),
                     .store = judge_store(facts),
                     .topics = {}};
  add_redis(facts, report.store);
  for (const auto& warning : facts.warnings) {
    report.configuration.push_back({Level::kWarning, "configuration", warning, ""});
  }
  for (std::size_t i = 0; i < facts.topics.size(); ++i) {
    report.topics.push_back(judge(
        TopicFacts{.all = facts, .kafka = facts.kafka.topics[i], .table = facts.store.tables[i]}));
  }
  return report;
}

std::size_t count_of(const CheckReport& report, Level level) {
  std::size_t count = 0;
  for_each_finding(report, [&](const Finding& finding) { count += finding.level == level; });
  return count;
}

int exit_code(const CheckReport& report) {
  if (count_of(report, Level::kProblem) > 0) return k_failed;
  return count_of(report, Level::kUnknown) > 0 ? k_could_not_tell : k_done;
}

}  // namespace bronze::commands
