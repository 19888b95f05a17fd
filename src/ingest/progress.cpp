#include "ingest/progress.h"

#include <algorithm>

#include "base/sabotage.h"

namespace bronze::ingest {
namespace {

std::optional<std::int64_t> version_in(const delta::TxnMap& txns, const std::string& app_id) {
  const auto found = txns.find(app_id);
  if (found == txns.end()) return std::nullopt;
  return found->second;
}

}  // namespace

Landing landing_of(const std::vector<TxnStep>& steps, const delta::TxnMap& txns) {
  const bool at_next = std::all_of(steps.begin(), steps.end(), [&](const TxnStep& step) {
    return version_in(txns, step.app_id) == step.next;
  });
  if (at_next) return Landing::kAtNext;
  if (sabotaged(Sabotage::kNoBaseComparison)) return Landing::kNotLanded;
  const bool at_base = std::all_of(steps.begin(), steps.end(), [&](const TxnStep& step) {
    return version_in(txns, step.app_id) == step.base;
  });
  return at_base ? Landing::kNotLanded : Landing::kMoved;
}

std::optional<Offset> position_in(const delta::TxnMap& txns, const std::string& app_id) {
  const auto version = version_in(txns, app_id);
  if (!version) return std::nullopt;
  return Offset{*version};
}

}  // namespace bronze::ingest
