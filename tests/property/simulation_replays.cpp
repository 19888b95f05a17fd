#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "base/date.h"
#include "commands/replay_topic.h"
#include "fakes/fake_reader.h"
#include "fakes/fake_validator.h"
#include "ingest/app_id.h"
#include "ingest/progress.h"
#include "property/names.h"
#include "property/simulation.h"

namespace bronze::property {
namespace {

using namespace std::chrono_literals;
using fakes::LogRecord;

/// `{"0":[[10,12],[15,16]]}`: of partition 0 the offsets 10, 11 and 15.
std::set<std::int64_t> offsets_named(const fakes::StoredCommit& commit, Partition partition) {
  std::set<std::int64_t> offsets;
  const auto named = nlohmann::json::parse(commit.parameters.at("bronzeReplayed"));
  for (const auto& range : named.at(std::to_string(number(partition)))) {
    for (std::int64_t offset = range.at(0); offset < range.at(1); ++offset) offsets.insert(offset);
  }
  return offsets;
}

}  // namespace

bool Rules::accept(const LogRecord& record) const {
  if (record.kind == LogRecord::Kind::kInvalidUtf8) return false;
  if (record.kind == LogRecord::Kind::kNoJson && form == decode::TextForm::kJson) return false;
  return !taste || !fakes::is_refused(record.value, *taste);
}

void Simulation::replay_somewhere() {
  constexpr std::array k_error_types{"ENCODING_ERROR", "JSON_PARSE_ERROR",
                                     "SCHEMA_VALIDATION_ERROR"};
  Replay replay;
  replay.topic = topics_[static_cast<std::size_t>(draw(static_cast<int>(topics_.size())))];
  replay.rules = chance(30) ? rules_ : random_rules();
  if (chance(10)) replay.mode = commands::ReplayMode::kDryRun;
  if (chance(20)) replay.query.partition = Partition{draw(3)};
  if (chance(20)) {
    const Offset first{draw(30)};
    replay.query.offsets = {first, Offset{first.value + 1 + draw(10)}};
  }
  if (chance(20)) {
    replay.query.error_types = {k_error_types[static_cast<std::size_t>(draw(3))]};
  }
  // A row a commit, or all of them.
  replay.held_bytes = chance(50) ? 0 : 1'000'000;
  if (crash_in_ < 0 && chance(50)) crash_in_ = draw(25);
  if (chance(20)) put_faults_.push_back(static_cast<fakes::PutFault>(1 + draw(4)));
  if (chance(10)) failing_reads_ += 1 + draw(3);
  play_replay(replay);
}

void Simulation::run_beside_replay() {
  replay_may_wait_ = false;
  const int kind = draw(20);
  if (kind == 0) {
    // The process is frozen, and a lot happens meanwhile.
    if (topics_change_ && chance(50)) recreate_topic();
    for (int steps = draw(40); steps > 0; --steps) {
      random_step();
      pass_time();
    }
  } else if (kind < 11) {
    run_jobs(draw(static_cast<int>(instances_.size())));
  } else if (kind < 17) {
    run_instance(draw(static_cast<int>(instances_.size())));
  } else {
    replay_somewhere();
  }
  replay_may_wait_ = true;
}

void Simulation::play_replay(const Replay& replay) {
  const int writer = ++writers_;
  replays_.emplace(writer, replay);
  ++outcome_.replays;
  fakes::FakeReader dead_letters(store_, dead_letters_of(replay.topic), store_hooks());
  fakes::FakeReader rows(store_, replay.topic, store_hooks());
  const auto sink = table(replay.topic, writer);
  decode::Decoder decoder({.raw_value = RawValue::kString, .form = replay.rules.form},
                          validator(replay.rules));
  const std::function<void(Duration)> sleep = [this](Duration time) {
    clock_.advance(time);
    if (chance(30)) registry_answers_ = true;
  };
  const commands::TellProgress tell = [](const std::string&) {};
  delta::LetterQuery query = replay.query;
  query.topic = replay.topic;
  try {
    const auto report =
        commands::TopicReplay({.group = k_group,
                               .mode = replay.mode,
                               .raw_value = RawValue::kString,
                               .batch = {.held_bytes = replay.held_bytes, .age = 60s},
                               .write_retry = 60s},
                              {.dead_letters = dead_letters,
                               .rows = rows,
                               .table = *sink,
                               .decoder = decoder,
                               .clock = clock_,
                               .sleep = sleep},
                              query, tell)
            .run();
    if (report.status == commands::ReplayStatus::kFailed) throw Violation(report.message);
    const bool writes = replay.mode == commands::ReplayMode::kWrite;
    if (writes && report.letters(commands::Fate::kReplayed) > rows_by_writer_[writer]) {
      throw Violation("a replay claims rows that it did not write");
    }
  } catch (const Crash&) {
    crash_in_ = -1;
    ++outcome_.dead_replays;
  }
}

void Simulation::check_replay(const fakes::StoredCommit& commit, const delta::TxnMap& before) {
  const Replay& replay = replays_.at(commit.writer);
  if (replay.mode == commands::ReplayMode::kDryRun) throw Violation("a dry run writes");
  const std::string registry = ingest::registry_app_id(k_group, replay.topic);
  std::set<Partition> moved;
  for (const auto& [app_id, after] : commit.txns) {
    if (app_id == registry && before.at(registry) == after) continue;
    const auto parts = parts_of(app_id);
    if (parts.size() != 5 || parts.back() != "replayed") throw Violation("it moves " + app_id);
    const auto& topic = kafka_.by_identity(parts[2]);
    const Partition partition{std::stoi(parts[3])};
    const std::string place = app_id + ": ";
    moved.insert(partition);
    if (before.at(registry) != topic.identity.number) {
      throw Violation(place + "a replay into the table of another topic");
    }
    const auto progress =
        ingest::position_in(before, ingest::partition_app_id(k_group, topic.identity, partition));
    landed_.add_replayed(topic, partition, progress.value_or(Offset{}), commit.rows);
    const auto since = ingest::position_in(
        before, ingest::epoch_app_id(k_group, replay.topic, topic.identity.text));
    std::set<std::int64_t> offsets;
    for (const auto& row : commit.rows) {
      if (row.partition != partition) continue;
      offsets.insert(row.offset.value);
      const auto& log = topic.partitions.at(partition);
      if (!replay.rules.accept(log.at(static_cast<std::size_t>(row.offset.value)))) {
        throw Violation(place + "a row that the replay's rules refuse");
      }
      if (since && row.ingested_at < since->value) throw Violation(place + "older than its topic");
    }
    const auto counted = ingest::position_in(before, app_id).value_or(Offset{}).value;
    if (after - counted != static_cast<std::int64_t>(offsets.size())) {
      throw Violation(place + "counts other than it has rows");
    }
    if (offsets != offsets_named(commit, partition)) throw Violation(place + "names others");
  }
  for (const auto& row : commit.rows) {
    if (!moved.contains(row.partition)) throw Violation("replayed rows that are not counted");
    if (row.date != utc_date(row.ingested_at)) throw Violation("a replayed row of another date");
  }
  outcome_.replayed_rows += commit.rows.size();
}

/// What rules accept becomes a row; that what they refuse does not, is seen when it lands.
void Simulation::replay_the_rest() {
  for (const auto& name : topics_) {
    if (!store_.contains(dead_letters_of(name))) continue;
    const Rules rules = random_rules();
    play_replay({.topic = name, .rules = rules});
    const auto& commits = store_.at(name).commits;
    const std::size_t so_far = commits.size();
    play_replay({.topic = name, .rules = rules});
    if (commits.size() != so_far) throw Violation("a second replay writes again");
    check_replayed(name, rules);
  }
}

void Simulation::check_replayed(const std::string& name, const Rules& rules) const {
  const delta::TxnMap txns = store_.at(name).txns();
  const auto& topic = kafka_.topic(name);
  // A table that stays with an older topic has nothing of this one.
  if (txns.at(ingest::registry_app_id(k_group, name)) != topic.identity.number) return;
  for (const auto& [partition, log] : topic.partitions) {
    const auto app_id = ingest::partition_app_id(k_group, topic.identity, partition);
    const auto progress = ingest::position_in(txns, app_id).value_or(Offset{});
    std::int64_t rows = 0;
    for (const auto offset : landed_.dead_letters(topic.identity.text, partition)) {
      const bool is_row = landed_.is_replayed(topic.identity.text, partition, offset);
      rows += is_row ? 1 : 0;
      if (is_row || offset >= progress.value) continue;
      if (rules.accept(log.at(static_cast<std::size_t>(offset)))) {
        throw Violation(app_id + ": a dead letter that is valid now was not replayed");
      }
    }
    const auto counted = ingest::position_in(txns, app_id + "/replayed").value_or(Offset{});
    if (counted.value != rows) throw Violation(app_id + ": counts other than was replayed");
  }
}

}  // namespace bronze::property
