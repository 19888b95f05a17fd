#pragma once

#include <string>

#include "delta/table_sink.h"

namespace bronze::ingest {

/// What the put-if-absent probe of a store means.
struct ProbeVerdict {
  enum class Kind {
    kUsable,
    /// Not reachable for now: ask again.
    kNoAnswer,
    /// Asking again will not help.
    kRefused,
  };
  Kind kind = Kind::kUsable;
  /// For people, with the repair where there is one; empty = usable.
  std::string message;
};

/// `store_name`: DELTA_BASE_PATH as it is in effect.
[[nodiscard]] ProbeVerdict judge_probe(const delta::StoreOutcome& outcome,
                                       const std::string& store_name);

}  // namespace bronze::ingest
