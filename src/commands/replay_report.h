#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bronze::commands {

/// What became of a dead letter.
enum class Fate {
  /// Its row is in the main table now; in a dry run: would be.
  kReplayed,
  /// The present validators refuse it, too.
  kStillBad,
  /// The main table has its row: an earlier replay, or the letter is there twice.
  kAlreadyThere,
  /// The service has not moved its progress past it: whether it is dead is still the service's to
  /// say.
  kNotPassed,
  /// Of another topic of this name, which the present one took the place of.
  kOtherTopic,
  /// What is left of it is not what was sent.
  kBytesNotKept,
};

/// Letters of one error type that had one fate.
struct FateCount {
  std::uint64_t letters = 0;
  /// Of one of them: why it is still bad.
  std::string sample;
};

/// Fate, and of what is still bad: the type of the error that it has now.
using FateKey = std::pair<Fate, std::string>;
/// By the error type of the letters.
using FateCounts = std::map<std::string, std::map<FateKey, FateCount>>;

enum class ReplayStatus {
  kDone,
  /// There is no dead-letter table: nothing to do.
  kNoDeadLetters,
  kFailed,
  /// The store does not answer.
  kUnreachable,
};

struct ReplayedTopic {
  std::string topic;
  std::string table;
  std::string dead_letter_table;
  ReplayStatus status = ReplayStatus::kDone;
  /// Why it is not done, and what to do.
  std::string message;
  FateCounts counts;
  std::uint64_t commits = 0;

  void count(const std::string& error_type, FateKey fate, std::uint64_t letters = 1,
             const std::string& sample = "");
  [[nodiscard]] std::uint64_t letters() const;
  [[nodiscard]] std::uint64_t letters(Fate fate) const;
};

enum class ReplayMode { kWrite, kDryRun };

struct ReplayReport {
  ReplayMode mode = ReplayMode::kWrite;
  /// Which topics there are cannot be told: why; empty = it can.
  std::string topics_unknown;
  std::vector<ReplayedTopic> topics;
};

/// 1 = a topic failed; otherwise 3 = the store or the list of topics could not be reached; else 0.
[[nodiscard]] int exit_code(const ReplayReport& report);

}  // namespace bronze::commands
