#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace bronze::commands {

/// How long faults are borne by work that is done in passes, each of which makes the same calls
/// again. A fault is over when a pass has got further than where it stood: other calls that
/// succeed tell nothing of it. A value; one thread.
class Patience {
 public:
  explicit Patience(Duration limit) : limit_(limit) {}

  void begin_pass() { calls_ = 0; }
  /// One more call of the pass. Returns whether that ends a fault.
  bool succeeded() {
    ++calls_;
    if (!since_ || calls_ <= failed_after_) return false;
    forget();
    return true;
  }
  /// Returns whether it is worth another try.
  [[nodiscard]] bool failed(SteadyTime now) {
    if (!since_) since_ = now;
    failed_after_ = std::max(failed_after_, calls_);
    return now - *since_ < limit_;
  }
  /// A fault is not over yet.
  [[nodiscard]] bool is_tried() const { return since_.has_value(); }
  /// What was done will not be done again: the next pass is another one.
  void forget() {
    since_.reset();
    failed_after_ = 0;
  }

 private:
  const Duration limit_;
  /// Of the pass, that succeeded.
  std::uint64_t calls_ = 0;
  /// After how many, at the most, one failed since `since_`.
  std::uint64_t failed_after_ = 0;
  /// When the first failed of which nothing tells that it is over.
  std::optional<SteadyTime> since_;
};

}  // namespace bronze::commands
