#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "delta/table_sink.h"

namespace bronze::ingest {

/// The step of one txn that a commit makes. `base` nullopt = the txn is absent before.
struct TxnStep {
  std::string app_id;
  std::optional<std::int64_t> base;
  std::int64_t next = 0;
};

enum class Landing {
  /// All txns are at their base: the commit has not landed.
  kNotLanded,
  /// All txns are where the commit moves them: it landed, or somebody wrote the same range.
  kAtNext,
  /// Anything else: somebody else moved them.
  kMoved,
};

/// Where the table stands, seen from one commit. Pure; the heart of exactly-once.
[[nodiscard]] Landing landing_of(const std::vector<TxnStep>& steps, const delta::TxnMap& txns);

/// What partition positions of a table under one group and identity are.
[[nodiscard]] std::optional<Offset> position_in(const delta::TxnMap& txns,
                                                const std::string& app_id);

}  // namespace bronze::ingest
