#include "ingest/worker_pool.h"

#include <exception>
#include <utility>

namespace bronze::ingest {
namespace {

JobOutcome run_guarded(Job& job) {
  try {
    return job.run();
  } catch (const std::exception& error) {
    return JobFailed{error.what()};
  }
}

}  // namespace

WorkerPool::WorkerPool(std::size_t threads, std::function<void()> on_done)
    : on_done_(std::move(on_done)) {
  for (std::size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

WorkerPool::~WorkerPool() { stop(); }

void WorkerPool::stop() {
  for (auto& thread : threads_) thread.request_stop();
  threads_.clear();
}

void WorkerPool::submit(std::size_t lane, BatchId strand, std::unique_ptr<Job> job) {
  Entry entry{lane, strand, std::move(job)};
  {
    const std::lock_guard lock(mutex_);
    ++untold_[lane];
    const auto [place, is_free] = waiting_.try_emplace(strand);
    (is_free ? ready_ : place->second).push_back(std::move(entry));
    if (!is_free) return;
  }
  ready_changed_.notify_one();
}

std::vector<JobDone> WorkerPool::take_done() {
  const std::lock_guard lock(mutex_);
  for (const JobDone& done : done_) {
    const auto untold = untold_.find(done.lane);
    if (--untold->second == 0) untold_.erase(untold);
  }
  return std::exchange(done_, {});
}

void WorkerPool::wait_done(std::chrono::milliseconds max_wait) {
  std::unique_lock lock(mutex_);
  done_changed_.wait_for(lock, max_wait, [&] { return !done_.empty(); });
}

bool WorkerPool::busy(std::size_t lane) const {
  const std::lock_guard lock(mutex_);
  return untold_.contains(lane);
}

void WorkerPool::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (ready_changed_.wait(lock, stop, [&] { return !ready_.empty(); }) &&
         !stop.stop_requested()) {
    Entry entry = std::move(ready_.front());
    ready_.pop_front();
    lock.unlock();
    JobOutcome outcome = run_guarded(*entry.job);
    entry.job.reset();
    lock.lock();
    done_.push_back({entry.lane, std::move(outcome)});
    const auto strand = waiting_.find(entry.strand);
    if (strand->second.empty()) {
      waiting_.erase(strand);
    } else {
      // Nobody is told of it: this thread takes one next, this or an earlier one.
      ready_.push_back(std::move(strand->second.front()));
      strand->second.pop_front();
    }
    lock.unlock();
    done_changed_.notify_one();
    on_done_();
    lock.lock();
  }
}

}  // namespace bronze::ingest
