#pragma once

#include <string>

#include "observe/observation.h"

namespace bronze::observe {

enum class Tone { kWell, kBusy, kWarn, kBad };

/// What an operator asks first. The page and `bronze status` show it as it is; docs/operations.md
/// explains each headline.
struct Verdict {
  Tone tone = Tone::kWell;
  /// Is it well, is it behind.
  std::string headline;
  /// What is it doing; one or two sentences.
  std::string doing;
  /// What is to be done.
  std::string advice;
};

/// The most urgent that holds. What waits no longer than its batch interval is not late.
[[nodiscard]] Verdict verdict_of(const Observation& seen);

}  // namespace bronze::observe
