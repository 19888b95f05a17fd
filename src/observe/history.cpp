#include "observe/history.h"

namespace bronze::observe {

void History::note(const Reading& reading, SteadyTime now, UnixMicros wall) {
  const std::lock_guard lock(mutex_);
  if (!step_end_) {
    step_end_ = now + k_step;
    before_ = reading;
  }
  if (now < *step_end_) return;
  steps_.steps.push_back({.rows = reading.rows_committed - before_.rows_committed,
                          .bytes = reading.bytes_committed - before_.bytes_committed,
                          .lag = reading.lag});
  if (steps_.steps.size() > k_steps_max) steps_.steps.pop_front();
  steps_.end = wall;
  before_ = reading;
  // Steps that were missed, since the process stood still, are not made up.
  while (*step_end_ <= now) *step_end_ += k_step;
}

History::Steps History::steps() const {
  const std::lock_guard lock(mutex_);
  return steps_;
}

}  // namespace bronze::observe
