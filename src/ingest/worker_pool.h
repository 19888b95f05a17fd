#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "ingest/executor.h"

namespace bronze::ingest {

/// The Executor of the service: a fixed number of threads over one queue. Owned by the app.
/// Lanes submit jobs even while they are destroyed, so the pool outlives them; but jobs use what
/// lanes own, so `stop` comes before that.
class WorkerPool final : public Executor {
 public:
  /// `on_done` is called from worker threads after each job; it must not block.
  WorkerPool(std::size_t threads, std::function<void()> on_done);
  ~WorkerPool() override;

  /// Waits for the jobs that run and drops the rest; nothing runs afterwards.
  void stop();

  void submit(std::size_t lane, BatchId strand, std::unique_ptr<Job> job) override;
  [[nodiscard]] std::vector<JobDone> take_done() override;
  void wait_done(std::chrono::milliseconds max_wait) override;
  [[nodiscard]] bool busy(std::size_t lane) const override;

 private:
  struct Entry {
    std::size_t lane = 0;
    BatchId strand = 0;
    std::unique_ptr<Job> job;
  };

  void work(const std::stop_token& stop);

  const std::function<void()> on_done_;
  mutable std::mutex mutex_;
  std::condition_variable_any ready_changed_;
  std::condition_variable done_changed_;
  /// Guarded by mutex_: first jobs of strands of which no job runs.
  std::deque<Entry> ready_;
  /// Guarded by mutex_: a strand is here while a job of it is ready or runs; what waits behind.
  std::map<BatchId, std::deque<Entry>> waiting_;
  /// Guarded by mutex_.
  std::vector<JobDone> done_;
  /// Guarded by mutex_: jobs of each lane that were submitted and not told of.
  std::map<std::size_t, std::size_t> untold_;
  std::vector<std::jthread> threads_;
};

}  // namespace bronze::ingest
