#include "observe/http_workers.h"

#include <utility>

namespace bronze::observe {
namespace {

constexpr std::size_t k_threads = 2;
constexpr std::size_t k_waiting_max = 32;

}  // namespace

HttpWorkers::HttpWorkers(ServerLoad& load) : load_(load) {
  for (std::size_t i = 0; i < k_threads; ++i) {
    threads_.emplace_back([this] { work(); });
  }
}

void HttpWorkers::enqueue(std::function<void()> job) {
  std::unique_lock lock(mutex_);
  job_taken_.wait(lock, [this] { return jobs_.size() < k_waiting_max; });
  jobs_.push_back(std::move(job));
  load_.waiting = jobs_.size();
  job_added_.notify_one();
}

void HttpWorkers::shutdown() {
  {
    const std::lock_guard lock(mutex_);
    shut_down_ = true;
  }
  job_added_.notify_all();
  threads_.clear();
}

void HttpWorkers::work() {
  while (true) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      job_added_.wait(lock, [this] { return shut_down_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
      load_.waiting = jobs_.size();
    }
    job_taken_.notify_one();
    job();
  }
}

}  // namespace bronze::observe
