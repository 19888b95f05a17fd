#pragma once

#include <chrono>
#include <optional>

namespace bronze {

/// Whether a store answers requests.
struct StorePulse {
  /// How long ago the oldest request was sent that has no answer: it waits, or it failed and no
  /// other has had one since. nullopt = there is none.
  std::optional<std::chrono::milliseconds> unanswered;
  /// Since the last answer; nullopt = none has come yet, or the store is a file system.
  std::optional<std::chrono::milliseconds> last_answer;
};

}  // namespace bronze
