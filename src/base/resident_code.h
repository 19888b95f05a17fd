#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace bronze {

/// Takes the pages of the program's code and constants, and of its libraries, out of resident
/// memory. What is still in use comes back from the page cache when it is touched, within
/// milliseconds. From any thread.
void drop_resident_code();

/// Drops resident code soon after the start, which runs much that never runs again, and once a
/// minute from then on. Has a thread of its own, from construction to destruction.
class ResidentCodeTrim {
 public:
  ResidentCodeTrim();

 private:
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

}  // namespace bronze
