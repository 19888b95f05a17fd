#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "observe/http_connection.h"

namespace bronze::observe {

/// The threads that answer, with a queue of accepted connections that has a limit: when it is
/// full, accepting waits and the rest stays in the kernel's backlog. Owned by the listener.
class HttpWorkers {
 public:
  /// `load` outlives the workers.
  explicit HttpWorkers(ServerLoad& load);
  ~HttpWorkers() { shutdown(); }
  HttpWorkers(const HttpWorkers&) = delete;
  HttpWorkers& operator=(const HttpWorkers&) = delete;

  void enqueue(std::function<void()> job);
  /// Serves what is queued, which is quick once ServerLoad says stopping. May be repeated.
  void shutdown();

 private:
  void work();

  ServerLoad& load_;
  std::mutex mutex_;
  std::condition_variable job_added_;
  std::condition_variable job_taken_;
  /// Guarded by mutex_.
  std::deque<std::function<void()>> jobs_;
  /// Guarded by mutex_.
  bool shut_down_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace bronze::observe
