#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/cache_counts.h"
#include "base/clock.h"
#include "base/event_log.h"
#include "cache/key_value_server.h"
#include "delta/table_states.h"

namespace bronze::cache {

struct StateCacheSettings {
  /// Who asks waits no longer.
  std::chrono::milliseconds wait_max{500};
  /// After a failure nobody waits and nothing is written; doubled at each further failure.
  std::chrono::milliseconds pause_min{5'000};
  std::chrono::milliseconds pause_max{60'000};
  /// Of states that wait to be written.
  std::size_t pending_bytes_max = std::size_t{4} << 20U;
};

/// The TableStates over a key-value server. All talk with the server is on a thread of its own: a
/// server that is slow, dead or full delays nobody but those who ask, and these for `wait_max` at
/// most, once in a pause. Of each table the last state is written; in a failure it waits for the
/// server to come back.
///
/// Owned by the app. Any thread. The destructor waits for the request under way.
class StateCache final : public delta::TableStates {
 public:
  /// `log` outlives it.
  StateCache(std::unique_ptr<KeyValueServer> server, StateCacheSettings settings, EventLog& log);
  ~StateCache() override;
  StateCache(const StateCache&) = delete;
  StateCache& operator=(const StateCache&) = delete;

  [[nodiscard]] std::optional<std::string> find(const std::string& table) override;
  void keep(const std::string& table, std::string state) override;
  void count(delta::StateUse use) override;

  /// Waits until everything is written or the server fails, for `wait_max` at most.
  void drain();
  [[nodiscard]] CacheCounts counts() const;

 private:
  struct Read {
    std::string key;
    bool answered = false;
    std::optional<std::string> value;
  };
  using Lock = std::unique_lock<std::mutex>;

  // The cache's own thread. The lock is held, but not while the server is talked to.
  void work(const std::stop_token& stop);
  void wait_for_work(Lock& lock, const std::stop_token& stop);
  void serve_reads(Lock& lock);
  void write_one(Lock& lock);

  // REQUIRES: mutex_ is held.
  [[nodiscard]] bool may_try() const { return std::chrono::steady_clock::now() >= not_before_; }
  void note_failure(const std::string& trouble);
  void note_answer();

  const std::unique_ptr<KeyValueServer> server_;
  const StateCacheSettings settings_;
  EventLog& log_;

  mutable std::mutex mutex_;
  std::condition_variable_any work_changed_;
  std::condition_variable done_changed_;
  // Guarded by mutex_.
  std::map<std::uint64_t, Read> reads_;
  std::uint64_t next_read_ = 0;
  /// The last state of each table that is not written yet.
  std::map<std::string, std::string> pending_;
  std::size_t pending_bytes_ = 0;
  bool writing_ = false;
  /// The table that was written last: the others have their turn before it.
  std::string last_written_;
  CacheCounts counts_;
  bool failing_ = false;
  std::chrono::milliseconds pause_;
  SteadyTime not_before_;

  std::jthread thread_;
};

}  // namespace bronze::cache
