#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "config/topic_tables.h"
#include "delta/table_sink.h"
#include "delta/table_totals.h"

namespace bronze::commands {

/// What a table said of itself.
struct TableLook {
  /// nullopt = no answer in time. kMissing: there is no table.
  std::optional<delta::StoreOutcome> loaded;
  delta::SnapshotView view;
  /// Looked up only while the table does not know the topic.
  bool has_data_files = false;
  /// See StartFacts; false when it could not be looked up.
  bool newest_entry_is_ours = false;
  /// The greatest offset of each partition; looked up only while `has_data_files`, or when others
  /// may have written since our last commit. Below our progress it may be lower or absent.
  OffsetMap last_offsets;
  /// Of the dead-letter table; nullopt = it was not looked at.
  std::optional<delta::TableTotals> dead_letters = {};
};

struct StoreLook {
  /// Of the put-if-absent probe; nullopt = no answer in time.
  std::optional<delta::StoreOutcome> probe;
  /// One for each topic, in the order of the topics.
  std::vector<TableLook> tables;
};

/// The store as calls that block; from any thread.
struct StoreAccess {
  std::function<delta::StoreOutcome()> probe;
  std::function<std::unique_ptr<delta::TableSink>(const std::string& directory)> table;
  /// Adds a table up by its log; null = dead letters are not looked at.
  std::function<delta::TableTotals(const std::string& directory)> totals = {};
};

/// Probes a store and reads the tables of topics, several at the same time, on threads of its
/// own. Writes nothing but the object of the probe. Used by one thread. The destructor waits for
/// calls under way.
class StoreInspector {
 public:
  /// Begins with the probe at once.
  StoreInspector(StoreAccess access, std::string group);
  ~StoreInspector();
  StoreInspector(const StoreInspector&) = delete;
  StoreInspector& operator=(const StoreInspector&) = delete;

  /// Begins to read the tables of these topics too; StoreLook::tables has them after those of
  /// calls before.
  void look_at(const std::vector<std::string>& topics);

  /// What is known as soon as everything is, or at `deadline`.
  [[nodiscard]] StoreLook wait_until(SteadyTime deadline);

 private:
  /// The probe, then the tables. REQUIRES: mutex_ is held.
  [[nodiscard]] std::size_t jobs() const { return topics_.size() + 1; }
  void work(const std::stop_token& stop);
  [[nodiscard]] delta::StoreOutcome probe() const;
  [[nodiscard]] TableLook table_of(const std::string& topic) const;
  [[nodiscard]] std::optional<delta::TableTotals> dead_letters_of(const std::string& topic) const;

  const StoreAccess access_;
  const std::string group_;

  std::mutex mutex_;
  std::condition_variable_any more_jobs_;
  std::condition_variable done_changed_;
  // Guarded by mutex_.
  std::vector<std::string> topics_;
  std::size_t next_ = 0;
  std::size_t done_ = 0;
  StoreLook look_;

  std::vector<std::jthread> threads_;
};

}  // namespace bronze::commands
