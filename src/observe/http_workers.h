#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "observe/http_connection.h"
#include "observe/httplib.h"

namespace bronze::observe {

/// The threads that answer, with a queue of accepted connections that has a limit: when it is
/// full, accepting waits and the rest stays in the kernel's backlog. Owned by httplib's accept
/// loop; `shutdown` serves what is queued, which is quick once ServerLoad says stopping.
class HttpWorkers final : public httplib::TaskQueue {
 public:
  /// `load` outlives the workers.
  explicit HttpWorkers(ServerLoad& load);

  void enqueue(std::function<void()> job) override;
  void shutdown() override;

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
