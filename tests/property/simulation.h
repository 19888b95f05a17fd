#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "commands/replay_report.h"
#include "delta/letter_scan.h"
#include "fakes/fake_clock.h"
#include "fakes/fake_kafka.h"
#include "fakes/fake_table.h"
#include "fakes/kept_states.h"
#include "fakes/manual_executor.h"
#include "ingest/ingest.h"
#include "property/landed.h"
#include "property/violation.h"

namespace bronze::property {

struct Outcome {
  /// Rows in all tables at the end.
  std::uint64_t rows = 0;
  std::uint64_t commits = 0;
  std::uint64_t crashes = 0;
  /// Batches that had to start over.
  std::uint64_t rebalances = 0;
  std::uint64_t put_faults = 0;
  /// Partitions that were read to their end or to their first bad record.
  int finished_partitions = 0;
  /// Partitions of a topic that was created anew.
  int replaced_partitions = 0;
  int deleted_topics = 0;
  /// Rows of the original, and commits that took over from it.
  std::uint64_t foreign_rows = 0;
  std::uint64_t take_overs = 0;
  /// Partitions that were passed over records which Kafka no longer had, and those that halted.
  std::uint64_t gaps = 0;
  int overtaken_partitions = 0;
  /// Topics that were created anew and went on in their table.
  std::uint64_t epochs = 0;
  std::uint64_t dead_letters = 0;
  /// Restarts under other rules about what is dead.
  std::uint64_t rule_changes = 0;
  /// Partitions that began where the dead-letter table had decided more than the table had.
  std::uint64_t decided_partitions = 0;
  /// Replays that were begun, of them those that died, and the rows that replays have written.
  std::uint64_t replays = 0;
  std::uint64_t dead_replays = 0;
  std::uint64_t replayed_rows = 0;
  /// Of the states of tables that were kept outside of them: those that a table vouched for when
  /// one was opened or looked at, and those for which it did not.
  std::uint64_t states_believed = 0;
  std::uint64_t states_refused = 0;
};

/// What makes a record a dead letter.
struct Rules {
  ingest::DeadLetterPolicy policy = ingest::DeadLetterPolicy::kNever;
  decode::TextForm form = decode::TextForm::kAny;
  /// Of the validator; nullopt = there is none.
  std::optional<std::size_t> taste = {};

  /// Whether a record that can be in a table may be in one of text.
  [[nodiscard]] bool accept(const fakes::LogRecord& record) const;
};

/// Plays one random script against up to two instances of the real ingest code over a fake Kafka
/// and a fake store, checks every commit as it lands, and the whole at the end. The same seed
/// plays the same script. One thread.
///
/// In some scripts the original service works in the group while no instance does: it appends rows
/// without txns and then commits offsets, or dies in between.
///
/// Now and then all instances end and start again under other rules about what is a dead letter;
/// what the old ones had sent has arrived by then, or never will.
///
/// Replays run in between, under those rules or under others, also while jobs and other replays are
/// in the middle, and die at any step.
/// In half of the scripts states of the tables are kept outside of them, where they get lost, grow
/// old, are mixed up and forged.
///
/// Checked when a commit lands: for each partition its rows are exactly the visible records of
/// [txn before, txn after) that are not in the dead-letter table, with their values and the date of
/// their `_ingested_at`, and the original wrote none of them; or it has no rows, and the original
/// wrote all of them. What the commit states as skipped counts as not visible, and what was gone
/// before the registration: it must begin at the txn before and end where Kafka's log was cut at
/// the latest. Rows of a topic that took another one's place are no older, by their `_ingested_at`,
/// than that; the registry never goes back to an older topic. Checked always: one job at a time
/// uses a table; Kafka's offset never runs ahead of the table; an instance never claims rows that
/// it did not write. A dead letter is the only one of its record, which is not in the table, and
/// lies between the dead-letter table's txns. A commit of a replay has rows of dead letters of the
/// topic that the table is of, which the service has passed, the replay's rules accept, and no
/// replay has written before; it moves their counts by as many, and nothing else. Checked at the
/// end: everything is in a table, up to the first record that cannot be written; after one more
/// replay every dead letter that its rules accept is a row; after yet another nothing has changed.
class Simulation {
 public:
  explicit Simulation(std::uint32_t seed);
  ~Simulation();

  /// Throws Violation.
  Outcome run();

 private:
  struct Crash {};
  struct Instance;
  struct Replay {
    std::string topic;
    Rules rules;
    commands::ReplayMode mode = commands::ReplayMode::kWrite;
    delta::LetterQuery query = {};
    /// Of a batch.
    std::uint64_t held_bytes = 0;
  };

  [[nodiscard]] int draw(int below) {
    return static_cast<int>(random_() % static_cast<std::uint64_t>(below));
  }
  [[nodiscard]] bool chance(int percent) { return draw(100) < percent; }

  void set_up();
  void random_step();
  void run_instance(int index);
  void run_jobs(int index);
  /// Another worker of the instance whose job is in the middle gets its turn.
  void run_job_beside();
  void produce();
  void pass_time();
  void rebalance();
  void give(const fakes::TopicPartition& partition, int index);
  void take_away(int index);
  void make_zombie(int index);
  void crash(int index);
  void start(int index);
  void land_late_put();
  void append_foreign_commit();
  void add_partition();
  void run_original();
  void write_as_original(const std::string& topic);
  void recreate_topic();
  void cut_log();
  void change_rules();
  [[nodiscard]] Rules random_rules();
  void choose_rules();
  void replay_somewhere();
  void run_beside_replay();
  /// Another process that runs to its end, or dies.
  void play_replay(const Replay& replay);
  void replay_the_rest();
  void check_replayed(const std::string& name, const Rules& rules) const;
  void delete_topic(const std::string& topic);
  void finish();
  [[nodiscard]] bool finished(Outcome& outcome) const;

  void step();
  [[nodiscard]] fakes::PutFault next_put_fault();
  void check_commit(const fakes::StoredTable& table, const fakes::StoredCommit& commit,
                    const delta::TxnMap& before);
  void check_dead_letters(const fakes::StoredCommit& commit, const delta::TxnMap& before);
  void check_partition(const fakes::StoredCommit& commit, const std::string& identity,
                       Partition partition, std::optional<std::int64_t> before, std::int64_t after);
  void check_epochs(const fakes::StoredCommit& commit, const delta::TxnMap& before);
  void check_replay(const fakes::StoredCommit& commit, const delta::TxnMap& before);
  [[nodiscard]] OffsetRange check_gap(const fakes::StoredCommit& commit,
                                      const std::string& identity, Partition partition,
                                      OffsetRange moved);
  void check_group_offset(int index, const kafka::CommitPosition& position);
  void check_claims(const Instance& instance) const;
  [[nodiscard]] std::int64_t readable_end(const std::string& identity, Partition partition,
                                          std::int64_t from) const;
  [[nodiscard]] fakes::StoreHooks store_hooks();
  [[nodiscard]] std::unique_ptr<fakes::FakeTable> table(const std::string& name, int writer);
  [[nodiscard]] std::unique_ptr<decode::Validator> validator(const Rules& rules);

  std::mt19937 random_;
  fakes::FakeClock clock_;
  fakes::FakeKafka kafka_;
  std::map<std::string, fakes::StoredTable> store_;
  /// nullptr = nothing is kept.
  std::unique_ptr<fakes::KeptStates> kept_;
  std::vector<std::string> topics_;
  std::vector<std::unique_ptr<Instance>> instances_;
  /// Who the group coordinator thinks reads a partition; absent = nobody.
  std::map<fakes::TopicPartition, int> owners_;
  /// Of each topic, by its identity, and partition: what the original wrote.
  std::map<std::pair<std::string, Partition>, std::set<std::int64_t>> foreign_offsets_;
  std::map<int, std::uint64_t> rows_by_writer_;
  std::map<int, std::uint64_t> dead_letters_by_writer_;
  Landed landed_;
  Rules rules_;
  /// By their number as a writer.
  std::map<int, Replay> replays_;
  /// A replay is in the middle, and others may get their turn.
  bool replay_may_wait_ = false;
  bool registry_answers_ = true;
  int writers_ = 0;
  int crash_in_ = -1;
  /// The instance whose worker is running a job.
  std::optional<int> jobs_of_;
  std::vector<fakes::PutFault> put_faults_;
  int failing_reads_ = 0;
  bool topics_change_ = false;
  /// By a day, forward and back.
  bool clocks_jump_ = true;
  /// Retention and DeleteRecords take old records away.
  bool logs_are_cut_ = false;
  Policies policies_;
  /// The original works now and then; topics may get partitions, but are not created anew.
  bool original_works_ = false;
  Outcome outcome_;
};

}  // namespace bronze::property
