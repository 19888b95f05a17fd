#include "ingest/dead_letter_facts.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/sabotage.h"
#include "ingest/progress.h"

namespace bronze::ingest {

DeadLetterLook look_at_dead_letters(delta::TableSink& table, DeadLetterPolicy policy,
                                    const DeadLetterQuestion& question) {
  DeadLetterLook look{.outcome = table.look(), .facts = {}};
  if (look.outcome.status == delta::StoreStatus::kMissing && policy == DeadLetterPolicy::kNever) {
    look.outcome = {};
    return look;
  }
  if (!look.outcome.ok()) return look;
  DeadLetterFacts& facts = look.facts.emplace();
  facts.version = table.snapshot().version;
  facts.shape = table.snapshot().shape;
  RangeMap undecided_in_main;
  for (const auto& [partition, app_id] : question.app_ids) {
    const auto next = position_in(table.snapshot().txns, app_id);
    if (!next) continue;
    facts.decided[partition] = *next;
    const auto progress = question.progress.find(partition);
    const Offset first = progress == question.progress.end() ? Offset{} : progress->second;
    if (first < *next) undecided_in_main[partition] = {first, *next};
  }
  // Seldom: a process died between its two commits.
  if (undecided_in_main.empty()) return look;
  auto within = table.offsets_within(undecided_in_main, question.since);
  look.outcome = std::move(within.outcome);
  for (const auto& [partition, run] : within.runs) facts.dead[partition].push_back(run);
  return look;
}

Decided::Decided(Offset before, std::vector<OffsetRange> dead) : before_(before) {
  std::ranges::sort(dead, {}, [](const OffsetRange& run) { return run.first; });
  for (const OffsetRange& run : dead) {
    // A row that is there twice makes runs overlap.
    if (!dead_.empty() && run.first <= dead_.back().next) {
      dead_.back().next = std::max(dead_.back().next, run.next);
    } else {
      dead_.push_back(run);
    }
  }
}

bool Decided::is_dead(Offset offset) const {
  const auto after =
      std::ranges::upper_bound(dead_, offset, {}, [](const OffsetRange& run) { return run.first; });
  return after != dead_.begin() && offset < std::prev(after)->next;
}

std::optional<Offset> decided_before(const std::optional<DeadLetterFacts>& facts,
                                     Partition partition) {
  if (!facts) return std::nullopt;
  const auto before = facts->decided.find(partition);
  return before == facts->decided.end() ? std::nullopt : std::optional(before->second);
}

Decided decided(const std::optional<DeadLetterFacts>& facts, Partition partition) {
  const auto before = decided_before(facts, partition);
  if (!before || sabotaged(Sabotage::kClassificationNotFixed)) return {};
  const auto dead = facts->dead.find(partition);
  return {*before, dead == facts->dead.end() ? std::vector<OffsetRange>{} : dead->second};
}

}  // namespace bronze::ingest
