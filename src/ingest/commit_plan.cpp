#include "ingest/commit_plan.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/sabotage.h"
#include "ingest/app_id.h"

namespace bronze::ingest {
namespace {

/// `{"0":[10,20]}`: of partition 0 the records from offset 10 to before 20.
std::string describe_ranges(const RangeMap& ranges) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [partition, range] : ranges) {
    json[std::to_string(number(partition))] = {range.first.value, range.next.value};
  }
  return json.dump();
}

CommitTask task_of_rows(const Batch& batch, const LaneProgress& progress, Duration file_age_max) {
  CommitTask task;
  task.token = batch.token();
  task.shape = progress.shape;
  if (batch.rows() > 0) task.expires_at = batch.opened_at() + file_age_max;
  task.parameters = {{"bronzeOffsets", describe_ranges(batch.ranges())},
                     {"bronzeRows", std::to_string(batch.rows())},
                     {"bronzeTopic", progress.topic}};
  const RangeMap gaps = progress.gaps_in(batch.ranges());
  if (!gaps.empty() && !sabotaged(Sabotage::kGapNotStated)) {
    task.parameters["bronzeSkipped"] = describe_ranges(gaps);
  }
  for (const auto& [partition, range] : batch.ranges()) {
    const std::int64_t error = sabotaged(Sabotage::kNextOffByOne) ? 1 : 0;
    TxnStep step{.app_id = partition_app_id(progress.group, progress.identity, partition),
                 .base = std::nullopt,
                 .next = range.next.value - error};
    if (!progress.without_progress.contains(partition)) step.base = range.first.value;
    task.steps.push_back(std::move(step));
  }
  return task;
}

CommitTask task_of_dead_letters(const Batch& batch, const LaneProgress& progress,
                                Duration file_age_max) {
  CommitTask task;
  task.token = batch.token();
  task.shape = *progress.dead_letter_shape;
  const std::uint64_t count = batch.dead_letters().count;
  if (count > 0) task.expires_at = batch.opened_at() + file_age_max;
  RangeMap decides;
  for (const auto& [partition, range] : batch.ranges()) {
    const auto decided = progress.dead_letters_decided.find(partition);
    const bool is_absent = decided == progress.dead_letters_decided.end();
    if (!is_absent && range.next <= decided->second) continue;
    TxnStep step{.app_id = partition_app_id(progress.group, progress.identity, partition),
                 .base = std::nullopt,
                 .next = range.next.value};
    if (!is_absent) step.base = decided->second.value;
    task.steps.push_back(std::move(step));
    decides[partition] = {is_absent ? range.first : std::max(range.first, decided->second),
                          range.next};
  }
  task.parameters = {{"bronzeOffsets", describe_ranges(decides)},
                     {"bronzeRows", std::to_string(count)},
                     {"bronzeTopic", progress.topic}};
  return task;
}

}  // namespace

RangeMap LaneProgress::gaps_in(const RangeMap& ranges) const {
  RangeMap found;
  for (const auto& [partition, gap] : gaps) {
    const auto range = ranges.find(partition);
    if (range != ranges.end() && range->second.first == gap.first) found.emplace(partition, gap);
  }
  return found;
}

std::vector<PlannedCommit> plan_commits(const Batch& batch, const LaneProgress& progress,
                                        DeadLetterPolicy policy, Duration file_age_max) {
  std::vector<PlannedCommit> plan;
  const bool wanted = policy == DeadLetterPolicy::kAlways ||
                      (policy == DeadLetterPolicy::kWhenAny && batch.dead_letters().count > 0);
  if (wanted && progress.dead_letter_shape) {
    PlannedCommit dead{LaneTable::kDeadLetters,
                       task_of_dead_letters(batch, progress, file_age_max)};
    if (!dead.task.steps.empty()) plan.push_back(std::move(dead));
  }
  plan.push_back({LaneTable::kRows, task_of_rows(batch, progress, file_age_max)});
  if (sabotaged(Sabotage::kDeadLettersAfterMain)) std::ranges::reverse(plan);
  return plan;
}

}  // namespace bronze::ingest
