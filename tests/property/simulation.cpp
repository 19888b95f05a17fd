#include "property/simulation.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/date.h"
#include "batch/schema.h"
#include "fakes/fake_validator.h"
#include "ingest/app_id.h"
#include "property/names.h"

namespace bronze::property {
namespace {

using namespace std::chrono_literals;
using fakes::LogRecord;
using fakes::PutFault;
using fakes::TopicPartition;

constexpr int k_instances = 2;

struct AppId {
  std::string identity;
  Partition partition{};
};

/// `bronze/group/identity/partition`; nullopt = another kind of txn.
std::optional<AppId> parse(const std::string& app_id) {
  const auto parts = parts_of(app_id);
  if (parts.size() != 4) return std::nullopt;
  return AppId{parts[2], Partition{std::stoi(parts[3])}};
}

ingest::LaneSettings lane_settings(const std::string& topic, std::size_t lane,
                                   const Policies& policies, const Rules& rules) {
  return {.writer = {.topic = topic,
                     .lane = lane,
                     .group = k_group,
                     .flush = {.interval = 1s, .max_bytes = 0, .max_rows = 6},
                     .write_retry = 24h,
                     .file_age_max = 30min,
                     .dead_letters = rules.policy},
          .start = StartEarliest{},
          // Or rows of an original that died before it ever committed would halt the topic.
          .start_source = StartSource::kExplicit,
          .policies = policies,
          .mode = ingest::RunMode::kUntilStopped,
          .table_spec = {},
          .dead_letter_spec = {.schema_json = batch::dead_letter_schema(),
                               .partition_columns = {},
                               .configuration = {}},
          .decoder = {.raw_value = RawValue::kString, .form = rules.form}};
}

bool holds_dead_letters(const fakes::StoredTable& table) { return table.partition_columns.empty(); }

bool registers(const fakes::StoredCommit& commit) {
  return std::any_of(commit.txns.begin(), commit.txns.end(),
                     [](const auto& txn) { return parts_of(txn.first).size() == 3; });
}

}  // namespace

/// One process. Members in the order that destruction needs.
struct Simulation::Instance {
  Instance(Simulation& world, int index, int writer_number)
      : writer(writer_number),
        log(world.clock_),
        source(
            world.kafka_,
            {.step = [&world] { world.step(); },
             .committed = [&world, index](
                              const auto& position) { world.check_group_offset(index, position); },
             .released =
                 [&world, this, index](const auto& partitions) {
                   revoking = false;
                   for (const auto& partition : partitions) {
                     const auto owner = world.owners_.find(partition);
                     if (owner != world.owners_.end() && owner->second == index) {
                       world.owners_.erase(owner);
                     }
                   }
                 }},
            static_cast<std::uint32_t>(world.random_())),
        watch(source, world.clock_, {.topics = world.topics_, .refresh = 10s}) {
    std::vector<std::unique_ptr<ingest::Lane>> lanes;
    for (std::size_t i = 0; i < world.topics_.size(); ++i) {
      lanes.push_back(std::make_unique<ingest::Lane>(
          lane_settings(world.topics_[i], i, world.policies_, world.rules_),
          ingest::LaneParts{.source = source,
                            .executor = executor,
                            .clock = world.clock_,
                            .log = log,
                            .watch = watch,
                            .table = world.table(world.topics_[i], writer),
                            .dead_letters = world.table(dead_letters_of(world.topics_[i]), writer),
                            .validator = world.validator(world.rules_)}));
    }
    ingest = std::make_unique<ingest::Ingest>(
        ingest::IngestSettings{.mode = ingest::RunMode::kUntilStopped,
                               .poll_wait_max = 1s,
                               .shutdown_timeout = 25s,
                               .revoke_budget = 5s,
                               // The small one is full all the time: records are held back.
                               .batch_bytes_max = world.random_() % 4 == 0 ? 2'000U : 1'000'000U,
                               .kafka_name = "kafka",
                               .store_name = "store"},
        ingest::IngestParts{.source = source,
                            .executor = executor,
                            .clock = world.clock_,
                            .log = log,
                            .watch = watch,
                            .board = board},
        std::move(lanes), [] { return delta::StoreOutcome{}; });
  }

  const int writer;
  bool revoking = false;
  /// Taken away from it, which it does not know yet.
  std::vector<TopicPartition> lost;
  fakes::ManualExecutor executor;
  EventLog log;
  fakes::FakeSource source;
  ingest::TopicWatch watch;
  ingest::ReportBoard board;
  std::unique_ptr<ingest::Ingest> ingest;
};

Simulation::Simulation(std::uint32_t seed) : random_(seed) {}
Simulation::~Simulation() = default;

Outcome Simulation::run() {
  set_up();
  const int steps = 100 + draw(500);
  for (int i = 0; i < steps; ++i) random_step();
  finish();
  return outcome_;
}

void Simulation::set_up() {
  random_.discard(8);
  topics_change_ = chance(25);
  const int topics = 1 + draw(2);
  for (int t = 0; t < topics; ++t) {
    topics_.push_back("t" + std::to_string(t));
    kafka_.create_topic(topics_.back(), 1 + draw(3));
  }
  original_works_ = !topics_change_ && chance(40);
  logs_are_cut_ = !original_works_ && chance(40);
  if (chance(60)) policies_.data_loss = OnDataLoss::kSkip;
  if (chance(60)) policies_.topic_recreated = OnTopicRecreated::kNewEpoch;
  clocks_jump_ = !topics_change_ || chance(50);
  choose_rules();
  instances_.resize(k_instances);
  if (original_works_ && chance(60)) {
    for (int i = 0; i < 5; ++i) produce();
    run_original();
  }
  if (chance(50)) {
    kept_ = std::make_unique<fakes::KeptStates>([this](int below) { return draw(below); });
  }
  start(0);
  for (int i = 0; i < 5; ++i) produce();
}

std::unique_ptr<fakes::FakeTable> Simulation::table(const std::string& name, int writer) {
  return std::make_unique<fakes::FakeTable>(store_, name, store_hooks(), writer);
}

std::unique_ptr<decode::Validator> Simulation::validator(const Rules& rules) {
  if (!rules.taste) return nullptr;
  return std::make_unique<fakes::FakeValidator>(*rules.taste, [this] {
    step();
    return registry_answers_;
  });
}

Rules Simulation::random_rules() {
  Rules rules;
  if (chance(25)) {
    if (chance(30)) rules.form = decode::TextForm::kJson;
    return rules;
  }
  rules.policy = ingest::DeadLetterPolicy::kWhenAny;
  if (chance(30)) return rules;
  rules.policy = ingest::DeadLetterPolicy::kAlways;
  rules.form = decode::TextForm::kJson;
  if (chance(60)) rules.taste = draw(5);
  return rules;
}

void Simulation::choose_rules() {
  // The original knows nothing of what the dead-letter table has decided. And a clock that was far
  // ahead makes dead letters of an older topic look like those of a newer one (ADR 12).
  const bool may_mistake_epochs =
      clocks_jump_ && policies_.topic_recreated == OnTopicRecreated::kNewEpoch;
  if (original_works_ || (topics_change_ && may_mistake_epochs)) return;
  rules_ = random_rules();
}

void Simulation::change_rules() {
  for (int index = 0; index < k_instances; ++index) crash(index);
  while (
      std::ranges::any_of(store_, [](const auto& table) { return !table.second.late.empty(); })) {
    land_late_put();
  }
  choose_rules();
  ++outcome_.rule_changes;
}

void Simulation::random_step() {
  if (!original_works_ && draw(150) == 0) return change_rules();
  if (!original_works_ && draw(150) == 0) {
    replay_may_wait_ = true;
    replay_somewhere();
    replay_may_wait_ = false;
    return;
  }
  if (draw(60) == 0) registry_answers_ = !registry_answers_;
  if (kept_ && draw(60) == 0) kept_->spoil();
  const int kind = draw(1000);
  if (kind < 400) return run_instance(draw(k_instances));
  if (kind < 700) return run_jobs(draw(k_instances));
  if (kind < 800) return produce();
  if (kind < 870) return pass_time();
  if (kind < 945) return rebalance();
  if (kind < 949) return crash(draw(k_instances));
  if (kind < 956) {
    crash_in_ = draw(60);
    return;
  }
  if (kind < 976) {
    put_faults_.push_back(static_cast<PutFault>(1 + draw(4)));
    return;
  }
  if (kind < 981) {
    failing_reads_ += 1 + draw(3);
    return;
  }
  if (kind < 986) return land_late_put();
  if (kind < 989 && logs_are_cut_) return cut_log();
  if (kind < 991) return append_foreign_commit();
  if (kind < 995) {
    const auto& instance = instances_[static_cast<std::size_t>(draw(k_instances))];
    if (instance) instance->source.lookups_fail = !instance->source.lookups_fail;
    return;
  }
  if (kind < 998 && topics_change_) return recreate_topic();
  if (kind < 999 && (topics_change_ || original_works_)) return add_partition();
  if (original_works_) return run_original();
}

void Simulation::run_instance(int index) {
  auto& instance = instances_[static_cast<std::size_t>(index)];
  if (!instance) return start(index);
  try {
    const int turns = 1 + draw(chance(30) ? 60 : 8);
    for (int i = 0; i < turns; ++i) static_cast<void>(instance->ingest->turn());
    check_claims(*instance);
  } catch (const Crash&) {
    crash(index);
  }
}

void Simulation::run_jobs(int index) {
  auto& instance = instances_[static_cast<std::size_t>(index)];
  try {
    jobs_of_ = index;
    for (int jobs = 1 + draw(4); instance && jobs > 0 && instance->executor.strands() > 0; --jobs) {
      const auto strands = static_cast<int>(instance->executor.strands());
      instance->executor.run_one(static_cast<std::size_t>(draw(strands)));
    }
    jobs_of_.reset();
  } catch (const Crash&) {
    jobs_of_.reset();
    crash(index);
  }
}

void Simulation::run_job_beside() {
  const auto running = std::exchange(jobs_of_, std::nullopt);
  if (!original_works_ && chance(3)) replay_somewhere();
  const int index = draw(k_instances);
  if (auto& instance = instances_[static_cast<std::size_t>(index)]) {
    try {
      for (int jobs = draw(3); jobs > 0 && instance->executor.strands() > 0; --jobs) {
        instance->executor.run_one(
            static_cast<std::size_t>(draw(static_cast<int>(instance->executor.strands()))));
      }
    } catch (const Crash&) {
      if (index == running) throw;
      crash(index);
    }
  }
  jobs_of_ = running;
}

void Simulation::produce() {
  const std::string& topic =
      topics_[static_cast<std::size_t>(draw(static_cast<int>(topics_.size())))];
  if (!kafka_.has_topic(topic)) return;
  const auto partitions = static_cast<int>(kafka_.topic(topic).partitions.size());
  const Partition partition{draw(partitions)};
  const int count = 1 + draw(5);
  for (int i = 0; i < count; ++i) {
    LogRecord::Kind kind = LogRecord::Kind::kValue;
    const int odd = draw(400);
    if (odd < 40) kind = LogRecord::Kind::kControl;
    if (odd == 40 || odd == 41) kind = LogRecord::Kind::kTombstone;
    if (odd == 42) kind = LogRecord::Kind::kInvalidUtf8;
    if (odd > 42 && odd < 60 && !original_works_) kind = LogRecord::Kind::kNoJson;
    if (odd >= 60 && odd < 68 && !original_works_) kind = LogRecord::Kind::kInvalidUtf8;
    kafka_.produce(topic, partition, kind);
  }
}

void Simulation::pass_time() {
  clock_.advance(std::chrono::milliseconds(10 + draw(1500)));
  if (chance(3)) clock_.advance(31min);
  if (chance(10)) {
    clock_.jump_wall(clocks_jump_ ? std::chrono::hours(draw(2) == 0 ? -25 : 25)
                                  : std::chrono::hours(0));
  }
}

void Simulation::rebalance() {
  const int index = draw(k_instances);
  auto& instance = instances_[static_cast<std::size_t>(index)];
  if (!instance) return start(index);
  if (!instance->lost.empty() && chance(50)) {
    instance->source.push(kafka::Revoked{std::exchange(instance->lost, {}), true});
    return;
  }
  if (!instance->source.subscribed || instance->revoking) return;
  ++outcome_.rebalances;
  const int kind = draw(10);
  if (kind < 5) {
    for (const auto& topic : topics_) {
      if (!kafka_.has_topic(topic)) continue;
      for (const auto& [partition, log] : kafka_.topic(topic).partitions) {
        if (!owners_.contains({topic, partition}) && chance(70)) give({topic, partition}, index);
      }
    }
  } else if (kind < 8) {
    take_away(index);
  } else {
    make_zombie(index);
  }
}

void Simulation::give(const TopicPartition& partition, int index) {
  owners_[partition] = index;
  Instance& instance = *instances_[static_cast<std::size_t>(index)];
  // A member learns what it lost before it is given anything.
  if (!instance.lost.empty()) {
    instance.source.push(kafka::Revoked{std::exchange(instance.lost, {}), true});
  }
  instance.source.push(kafka::Assigned{{partition}});
}

void Simulation::take_away(int index) {
  auto& instance = instances_[static_cast<std::size_t>(index)];
  kafka::Revoked revoked;
  for (const auto& [partition, owner] : owners_) {
    if (owner == index && chance(60)) revoked.partitions.push_back(partition);
  }
  if (revoked.partitions.empty()) return;
  instance->revoking = true;
  instance->source.push(std::move(revoked));
}

void Simulation::make_zombie(int index) {
  auto& other = instances_[static_cast<std::size_t>(1 - index)];
  auto& instance = instances_[static_cast<std::size_t>(index)];
  if (!other || !other->source.subscribed || other->revoking || !instance->lost.empty()) return;
  for (const auto& [partition, owner] : std::map(owners_)) {
    if (owner != index) continue;
    instance->lost.push_back(partition);
    give(partition, 1 - index);
  }
}

void Simulation::crash(int index) {
  auto& instance = instances_[static_cast<std::size_t>(index)];
  if (!instance) return;
  crash_in_ = -1;
  ++outcome_.crashes;
  instance.reset();
  std::erase_if(owners_, [&](const auto& entry) { return entry.second == index; });
}

void Simulation::start(int index) {
  auto& instance = instances_[static_cast<std::size_t>(index)];
  for (const auto& topic : topics_) {
    const auto dead_letters = store_.find(dead_letters_of(topic));
    if (dead_letters == store_.end()) continue;
    const delta::TxnMap progress = store_.at(topic).txns();
    for (const auto& [app_id, decided] : dead_letters->second.txns()) {
      const auto reached = ingest::position_in(progress, app_id).value_or(Offset{});
      if (parse(app_id) && decided > reached.value) ++outcome_.decided_partitions;
    }
  }
  instance = std::make_unique<Instance>(*this, index, ++writers_);
}

void Simulation::land_late_put() {
  for (auto& [name, table] : store_) {
    if (table.late.empty()) continue;
    const auto [version, commit] = table.late.front();
    table.late.erase(table.late.begin());
    fakes::put_if_absent(table, version, commit, store_hooks());
    return;
  }
}

void Simulation::append_foreign_commit() {
  const auto& topic = topics_[static_cast<std::size_t>(draw(static_cast<int>(topics_.size())))];
  const auto found = store_.find(chance(70) ? topic : dead_letters_of(topic));
  if (found == store_.end()) return;
  fakes::put_if_absent(found->second, found->second.commits.size(),
                       {.txns = {{"somebody-else", 1}}, .token = "foreign", .rows = {}},
                       store_hooks());
}

void Simulation::add_partition() {
  const auto& topic = topics_[static_cast<std::size_t>(draw(static_cast<int>(topics_.size())))];
  if (kafka_.has_topic(topic) && kafka_.topic(topic).partitions.size() < 5)
    kafka_.add_partition(topic);
}

void Simulation::recreate_topic() {
  const auto& topic = topics_[static_cast<std::size_t>(draw(static_cast<int>(topics_.size())))];
  if (!kafka_.has_topic(topic)) {
    kafka_.create_topic(topic, 1 + draw(3));
  } else if (chance(50)) {
    return delete_topic(topic);
  } else {
    kafka_.recreate_topic(topic);
  }
  const auto& created = kafka_.topic(topic);
  for (const auto& [partition, log] : created.partitions) {
    const int count = draw(20);
    for (int i = 0; i < count; ++i) kafka_.produce(topic, partition, LogRecord::Kind::kValue);
    // The group's coordinator forgets them a moment after the deletion; another cluster may have
    // been given them.
    if (chance(70)) kafka_.group_offsets.erase({topic, partition});
  }
}

void Simulation::cut_log() {
  const auto& topic = topics_[static_cast<std::size_t>(draw(static_cast<int>(topics_.size())))];
  if (!kafka_.has_topic(topic)) return;
  const auto& partitions = kafka_.topic(topic).partitions;
  const Partition partition{draw(static_cast<int>(partitions.size()))};
  const auto end = static_cast<int>(partitions.at(partition).size());
  kafka_.delete_records(topic, partition, chance(30) ? end : draw(end + 1));
}

void Simulation::delete_topic(const std::string& topic) {
  kafka_.delete_topic(topic);
  ++outcome_.deleted_topics;
  // Its owners are told with the next rebalance, or when it has been created again.
  if (chance(30)) return;
  for (const auto& [partition, owner] : std::map(owners_)) {
    if (partition.topic != topic) continue;
    if (auto& instance = instances_[static_cast<std::size_t>(owner)]) {
      instance->lost.push_back(partition);
    }
    owners_.erase(partition);
  }
}

/// It is only let into the group when no instance is there: their processes have ended.
void Simulation::run_original() {
  for (int index = 0; index < k_instances; ++index) crash(index);
  owners_.clear();
  for (int writes = 1 + draw(4); writes > 0; --writes) {
    for (const auto& topic : topics_) write_as_original(topic);
    if (chance(50)) produce();
    if (chance(20)) add_partition();
  }
}

void Simulation::write_as_original(const std::string& topic) {
  if (!kafka_.has_topic(topic)) return;
  fakes::StoredTable& table = store_[topic];
  if (table.commits.empty()) {
    table.id = "id-of-" + topic;
    table.commits.emplace_back();
  }
  fakes::StoredCommit commit{.txns = {}, .token = "original", .rows = {}};
  std::map<TopicPartition, kafka::GroupOffset> reached;
  for (const auto& [partition, log] : kafka_.topic(topic).partitions) {
    const auto committed = kafka_.group_offsets.find({topic, partition});
    const std::int64_t first =
        committed == kafka_.group_offsets.end() ? 0 : committed->second.offset.value;
    const auto end = std::min<std::int64_t>(first + draw(6), static_cast<std::int64_t>(log.size()));
    for (std::int64_t offset = first; offset < end; ++offset) {
      const LogRecord& record = log[static_cast<std::size_t>(offset)];
      if (record.kind == LogRecord::Kind::kControl) continue;
      commit.rows.push_back({partition, Offset{offset}, record.value, 0, utc_date(0)});
      foreign_offsets_[{kafka_.topic(topic).identity.text, partition}].insert(offset);
    }
    if (end > first) reached[{topic, partition}] = {Offset{end}, ""};
  }
  if (commit.rows.empty()) return;
  outcome_.foreign_rows += commit.rows.size();
  table.commits.push_back(std::move(commit));
  // Killed in between: the next write begins where this one did. Rows of a partition of which the
  // group tells nothing halt a topic that bronze knows: somebody sets the group's offsets then.
  const delta::TxnMap txns = table.txns();
  const auto group_tells = [&](const auto& entry) {
    const auto told = kafka_.group_offsets.find(entry.first);
    const auto progress = ingest::position_in(
        txns,
        ingest::partition_app_id(k_group, kafka_.topic(topic).identity, entry.first.partition));
    return told != kafka_.group_offsets.end() && told->second.metadata.empty() &&
           told->second.offset > progress.value_or(Offset{});
  };
  const bool may_die = txns.empty() || std::all_of(reached.begin(), reached.end(), group_tells);
  if (chance(30) && may_die) return;
  for (const auto& [partition, offset] : reached) kafka_.group_offsets[partition] = offset;
}

void Simulation::finish() {
  for (int index = 0; index < k_instances; ++index) crash(index);
  crash_in_ = -1;
  put_faults_.clear();
  failing_reads_ = 0;
  registry_answers_ = true;
  owners_.clear();
  // What the last rules refuse would stop partitions for good; and some records do anyway.
  if (rules_.policy == ingest::DeadLetterPolicy::kNever) rules_ = {};
  for (const auto& topic : topics_) {
    if (!kafka_.has_topic(topic)) kafka_.create_topic(topic, 1);
  }
  start(0);
  Instance& last = *instances_[0];
  constexpr int k_rounds_max = 400;
  for (int round = 0; round < k_rounds_max; ++round) {
    land_late_put();
    for (int i = 0; i < 8; ++i) static_cast<void>(last.ingest->turn());
    last.executor.run_all();
    clock_.advance(100ms);
    if (last.source.subscribed && owners_.empty()) {
      for (const auto& topic : topics_) {
        for (const auto& [partition, log] : kafka_.topic(topic).partitions) {
          give({topic, partition}, 0);
        }
      }
    }
    check_claims(last);
    if (round % 4 == 0 && finished(outcome_)) break;
  }
  if (!finished(outcome_)) throw Violation("records are missing in the table at the end");
  replay_the_rest();
  for (const auto& [name, table] : store_) {
    std::uint64_t& rows = holds_dead_letters(table) ? outcome_.dead_letters : outcome_.rows;
    for (const auto& commit : table.commits) rows += commit.rows.size();
    outcome_.commits += table.commits.size();
  }
}

bool Simulation::finished(Outcome& outcome) const {
  outcome.finished_partitions = 0;
  outcome.replaced_partitions = 0;
  outcome.overtaken_partitions = 0;
  for (const auto& name : topics_) {
    const auto stored = store_.find(name);
    if (stored == store_.end()) return false;
    const delta::TxnMap txns = stored->second.txns();
    const auto& topic = kafka_.topic(name);
    const auto registered = txns.find(ingest::registry_app_id(k_group, name));
    if (registered == txns.end()) return false;
    for (const auto& [partition, log] : topic.partitions) {
      if (registered->second != topic.identity.number) {
        if (policies_.topic_recreated == OnTopicRecreated::kNewEpoch) return false;
        ++outcome.replaced_partitions;
        continue;
      }
      const auto position = txns.find(ingest::partition_app_id(k_group, topic.identity, partition));
      // A partition that was added and never written to has no progress yet.
      const std::int64_t reached = position == txns.end() ? 0 : position->second;
      if (reached < topic.start_of(partition)) {
        const std::int64_t start = topic.start_of(partition);
        const auto end = static_cast<std::int64_t>(log.size());
        // A record that cannot be written, right behind the gap, keeps both out of the table.
        const bool can_go_on =
            start == end || readable_end(topic.identity.text, partition, start) > start;
        if (policies_.data_loss == OnDataLoss::kSkip && can_go_on) return false;
        ++outcome.overtaken_partitions;
        continue;
      }
      if (reached < readable_end(topic.identity.text, partition, reached)) return false;
      ++outcome.finished_partitions;
    }
  }
  return true;
}

void Simulation::step() {
  if (crash_in_ >= 0 && crash_in_-- == 0) throw Crash{};
  if (jobs_of_ && chance(12)) run_job_beside();
  if (replay_may_wait_ && chance(12)) run_beside_replay();
}

PutFault Simulation::next_put_fault() {
  if (put_faults_.empty()) return PutFault::kNone;
  const PutFault fault = put_faults_.back();
  put_faults_.pop_back();
  ++outcome_.put_faults;
  return fault;
}

fakes::StoreHooks Simulation::store_hooks() {
  return {.step = [this] { step(); },
          .put_fault = [this] { return next_put_fault(); },
          .read_fails = [this] { return failing_reads_ > 0 && failing_reads_-- > 0; },
          .two_callers = [] { throw Violation("two jobs use one table handle at once"); },
          .landed = [this](const auto& table, const auto& commit,
                           const auto& before) { check_commit(table, commit, before); },
          .kept = kept_.get(),
          .judged =
              [this](bool vouched) {
                ++(vouched ? outcome_.states_believed : outcome_.states_refused);
              }};
}

void Simulation::check_dead_letters(const fakes::StoredCommit& commit,
                                    const delta::TxnMap& before) {
  dead_letters_by_writer_[commit.writer] += commit.rows.size();
  std::set<Partition> moved;
  for (const auto& [app_id, after] : commit.txns) {
    const auto id = parse(app_id);
    if (!id) continue;
    moved.insert(id->partition);
    const auto found = before.find(app_id);
    const std::int64_t first = found == before.end() ? 0 : found->second;
    if (after <= first) throw Violation("the dead-letter table's progress does not go on");
    landed_.add_dead_letters(kafka_.by_identity(id->identity), id->partition,
                             {Offset{first}, Offset{after}}, commit.rows);
  }
  for (const auto& row : commit.rows) {
    if (!moved.contains(row.partition)) throw Violation("dead letters without progress");
  }
}

void Simulation::check_commit(const fakes::StoredTable& table, const fakes::StoredCommit& commit,
                              const delta::TxnMap& before) {
  if (holds_dead_letters(table)) return check_dead_letters(commit, before);
  rows_by_writer_[commit.writer] += commit.rows.size();
  if (replays_.contains(commit.writer)) return check_replay(commit, before);
  check_epochs(commit, before);
  std::set<Partition> moved;
  for (const auto& [app_id, after] : commit.txns) {
    const auto id = parse(app_id);
    if (!id) continue;
    moved.insert(id->partition);
    const auto found = before.find(app_id);
    check_partition(commit, id->identity, id->partition,
                    found == before.end() ? std::nullopt : std::optional(found->second), after);
  }
  for (const auto& row : commit.rows) {
    if (!moved.contains(row.partition)) throw Violation("rows of a partition without progress");
    if (row.date != utc_date(row.ingested_at)) throw Violation("a row of another date");
  }
}

void Simulation::check_epochs(const fakes::StoredCommit& commit, const delta::TxnMap& before) {
  for (const auto& [app_id, after] : commit.txns) {
    const auto found = before.find(app_id);
    if (parts_of(app_id).size() != 3 || found == before.end()) continue;
    if (after <= found->second) throw Violation("the registry goes back to an older topic");
    if (policies_.topic_recreated == OnTopicRecreated::kStop) {
      throw Violation("another topic goes into the table in spite of the policy");
    }
    ++outcome_.epochs;
  }
  for (const auto& [app_id, since] : before) {
    const auto parts = parts_of(app_id);
    if (parts.size() != 5 || parts.back() != "since") continue;
    for (const auto& row : commit.rows) {
      const bool is_of_it = commit.txns.contains("bronze/" + parts[1] + "/" + parts[3] + "/" +
                                                 std::to_string(number(row.partition)));
      if (is_of_it && row.ingested_at < since) throw Violation("a row older than its topic");
    }
  }
}

OffsetRange Simulation::check_gap(const fakes::StoredCommit& commit, const std::string& identity,
                                  Partition partition, OffsetRange moved) {
  const auto stated = commit.parameters.find("bronzeSkipped");
  if (stated == commit.parameters.end()) return {};
  const auto gaps = nlohmann::json::parse(stated->second);
  const auto found = gaps.find(std::to_string(number(partition)));
  if (found == gaps.end()) return {};
  const OffsetRange gap{Offset{found->at(0)}, Offset{found->at(1)}};
  const std::string place = identity + "/" + std::to_string(number(partition)) + ": ";
  if (policies_.data_loss == OnDataLoss::kStop) {
    throw Violation(place + "skips records in spite of the policy");
  }
  if (gap.first != moved.first || gap.next <= gap.first || gap.next > moved.next) {
    throw Violation(place + "states a gap that it does not pass over");
  }
  if (gap.next.value > kafka_.by_identity(identity).start_of(partition)) {
    throw Violation(place + "states a gap where Kafka's log was not cut");
  }
  ++outcome_.gaps;
  return gap;
}

void Simulation::check_partition(const fakes::StoredCommit& commit, const std::string& identity,
                                 Partition partition, std::optional<std::int64_t> before,
                                 std::int64_t after) {
  const auto& log = kafka_.by_identity(identity).partitions.at(partition);
  const std::int64_t first = before.value_or(0);
  const std::string place = identity + "/" + std::to_string(number(partition)) + " [" +
                            std::to_string(first) + "," + std::to_string(after) + "): ";
  if (after < first) throw Violation(place + "progress went back");
  std::multimap<std::int64_t, std::optional<std::string>> rows;
  for (const auto& row : commit.rows) {
    if (row.partition == partition) rows.emplace(row.offset.value, row.value);
  }
  const auto found = foreign_offsets_.find({identity, partition});
  const auto foreign = found == foreign_offsets_.end() ? std::set<std::int64_t>{} : found->second;
  const bool takes_over = commit.rows.empty() && !foreign.empty();
  if (takes_over && after > first) ++outcome_.take_overs;
  // KAFKA_START is `earliest`.
  const bool begins = !before && commit.rows.empty() && registers(commit);
  // The offsets may be those of a topic that has just taken this one's place: there is nothing
  // left to read then.
  if (begins &&
      (kafka_.is_deleted(identity) || after <= kafka_.by_identity(identity).start_of(partition))) {
    return;
  }
  const OffsetRange gap = check_gap(commit, identity, partition, {Offset{first}, Offset{after}});
  std::multimap<std::int64_t, std::optional<std::string>> visible;
  for (std::int64_t offset = first; offset < after; ++offset) {
    if (offset >= gap.first.value && offset < gap.next.value) continue;
    if (offset >= static_cast<std::int64_t>(log.size())) throw Violation(place + "beyond the end");
    const LogRecord& record = log[static_cast<std::size_t>(offset)];
    if (record.kind == LogRecord::Kind::kControl) continue;
    if (takes_over && foreign.contains(offset)) continue;
    if (foreign.contains(offset)) throw Violation(place + "writes again what the original wrote");
    if (landed_.is_dead(identity, partition, offset)) continue;
    if (record.kind == LogRecord::Kind::kInvalidUtf8) {
      throw Violation(place + "passes a record that cannot be written");
    }
    const bool tombstone = record.kind == LogRecord::Kind::kTombstone;
    visible.emplace(offset, tombstone ? std::nullopt : std::optional(record.value));
  }
  if (rows != visible) {
    throw Violation(place + "holds " + std::to_string(rows.size()) + " rows of " +
                    std::to_string(visible.size()) + " visible records, or others");
  }
  landed_.add_rows(identity, partition, commit.rows);
}

/// Before the first record from `from` on that cannot be written; records that nobody can see just
/// before it need not be counted.
std::int64_t Simulation::readable_end(const std::string& identity, Partition partition,
                                      std::int64_t from) const {
  const auto& log = kafka_.by_identity(identity).partitions.at(partition);
  const auto size = static_cast<std::int64_t>(log.size());
  if (rules_.policy != ingest::DeadLetterPolicy::kNever) return size;
  const auto kind = [&](std::int64_t offset) { return log[static_cast<std::size_t>(offset)].kind; };
  std::int64_t end = from;
  while (end < size && (kind(end) != LogRecord::Kind::kInvalidUtf8 ||
                        landed_.is_dead(identity, partition, end))) {
    ++end;
  }
  if (end == size) return end;
  while (end > from && kind(end - 1) == LogRecord::Kind::kControl) --end;
  return end;
}

void Simulation::check_group_offset(int index, const kafka::CommitPosition& position) {
  const auto owner = owners_.find(position.partition);
  if (owner == owners_.end() || owner->second != index) return;  // Kafka refuses such a commit
  const auto stored = store_.find(position.partition.topic);
  const auto partition = position.partition.partition;
  if (stored != store_.end()) {
    for (const auto& [app_id, version] : stored->second.txns()) {
      const auto id = parse(app_id);
      if (id && id->partition == partition && version >= position.offset.value) return;
    }
  }
  throw Violation("Kafka's offset runs ahead of the table");
}

void Simulation::check_claims(const Instance& instance) const {
  std::uint64_t claimed = 0;
  std::uint64_t claimed_dead = 0;
  for (const auto& lane : instance.board.latest().lanes) {
    claimed += lane.rows_committed;
    claimed_dead += lane.dead_letters.count;
  }
  const auto dead = dead_letters_by_writer_.find(instance.writer);
  if (claimed_dead > (dead == dead_letters_by_writer_.end() ? 0 : dead->second)) {
    throw Violation("an instance claims dead letters that it did not write");
  }
  const auto written = rows_by_writer_.find(instance.writer);
  if (claimed > (written == rows_by_writer_.end() ? 0 : written->second)) {
    throw Violation("an instance claims rows that it did not write");
  }
}

}  // namespace bronze::property
