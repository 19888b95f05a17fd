#include "commands/replay_report.h"

#include <algorithm>
#include <utility>

#include "base/exit_codes.h"

namespace bronze::commands {

void ReplayedTopic::count(const std::string& error_type, FateKey fate, std::uint64_t letters,
                          const std::string& sample) {
  FateCount& counted = counts[error_type][std::move(fate)];
  counted.letters += letters;
  if (counted.sample.empty()) counted.sample = sample;
}

std::uint64_t ReplayedTopic::letters() const {
  std::uint64_t sum = 0;
  for (const auto& [type, fates] : counts) {
    for (const auto& [fate, counted] : fates) sum += counted.letters;
  }
  return sum;
}

std::uint64_t ReplayedTopic::letters(Fate fate) const {
  std::uint64_t sum = 0;
  for (const auto& [type, fates] : counts) {
    for (const auto& [key, counted] : fates) sum += key.first == fate ? counted.letters : 0;
  }
  return sum;
}

int exit_code(const ReplayReport& report) {
  const auto any = [&](ReplayStatus status) {
    return std::any_of(report.topics.begin(), report.topics.end(),
                       [&](const ReplayedTopic& topic) { return topic.status == status; });
  };
  if (any(ReplayStatus::kFailed)) return k_failed;
  const bool told = !any(ReplayStatus::kUnreachable) && report.topics_unknown.empty();
  return told ? k_done : k_could_not_tell;
}

}  // namespace bronze::commands
