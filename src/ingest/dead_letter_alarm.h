#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "batch/dead_letters.h"

namespace bronze::ingest {

/// Says in the log that records go to the dead letters: the first at once, then how many, at most
/// once a minute for each topic. Owned by a lane; ingest thread.
class DeadLetterAlarm {
 public:
  explicit DeadLetterAlarm(std::string topic) : topic_(std::move(topic)) {}

  void note(const batch::DeadLetter& letter, SteadyTime now);

 private:
  const std::string topic_;
  std::optional<SteadyTime> said_at_;
  /// Since then.
  std::uint64_t unsaid_ = 0;
};

}  // namespace bronze::ingest
