#include "commands/verify_dead_letters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>

namespace bronze::commands {
namespace {

constexpr Offset k_end_of_time{std::numeric_limits<std::int64_t>::max()};
constexpr std::size_t k_ranges_shown_max = 5;

/// `3, 7 to 9, ...`
std::string first_of(const OffsetSet& set) {
  std::string list;
  std::size_t shown = 0;
  for (auto first = set.first_present(Offset{0}); first; ++shown) {
    if (shown == k_ranges_shown_max) return list + ", ...";
    const Offset next = set.first_absent(*first);
    list += fmt::format("{}{}", shown == 0 ? "" : ", ", first->value);
    if (first->following() < next) list += fmt::format(" to {}", next.value - 1);
    first = set.first_present(next);
  }
  return list;
}

class DeadLetterJudge {
 public:
  DeadLetterJudge(const PartitionFacts& facts, const DeadLetterContext& context)
      : facts_(facts), context_(context) {}

  std::vector<DeadLetterFinding> judge() {
    judge_overlap();
    judge_count();
    if (context_.registered) judge_progress();
    return std::move(findings_);
  }

 private:
  void say(Level level, const char* code, std::string message) {
    findings_.push_back({level, code, std::move(message)});
  }

  void judge_overlap() {
    const std::uint64_t surplus = both_without_replay(facts_);
    if (surplus == 0) return;
    const std::uint64_t both = facts_.both.size();
    std::string message = fmt::format(
        "{} offsets are in the table and in its dead letters: {}; {} of them were "
        "replayed",
        both, first_of(facts_.both), facts_.replayed);
    if (surplus <= context_.both_of_others) {
      return say(Level::kWarning, "duplicates_before_take_over",
                 message + ", the others may be another program's");
    }
    if (context_.both_of_ours > 0) return say(Level::kProblem, "duplicate_rows", message);
    say(context_.registered ? Level::kUnknown : Level::kWarning, "duplicate_rows",
        message + ". The log no longer tells who wrote them");
  }

  void judge_count() {
    const OffsetSet& stated = facts_.stated_replays;
    std::uint64_t without_letter = 0;
    std::uint64_t without_row = 0;
    for (auto first = stated.first_present(Offset{0}); first;) {
      const OffsetRange range{*first, stated.first_absent(*first)};
      without_letter += facts_.rows.count(range) - facts_.both.count(range);
      without_row += length(range) - facts_.rows.count(range);
      first = stated.first_present(range.next);
    }
    if (without_letter > 0) {
      say(Level::kWarning, "dead_letters_removed",
          fmt::format("{} rows were replayed whose dead letters are no longer there",
                      without_letter));
    }
    if (facts_.stated_replay_count > facts_.replayed) {
      return say(Level::kProblem, "replayed_count",
                 fmt::format("commits say that they replayed {} dead letters, the table counts {}",
                             facts_.stated_replay_count, facts_.replayed));
    }
    const bool log_is_whole = facts_.stated_replay_count == facts_.replayed;
    const std::uint64_t expected = log_is_whole ? stated.size() : facts_.replayed;
    // Rows that are gone are told by the log's findings.
    if (facts_.both.size() + without_letter + without_row >= expected) return;
    say(log_is_whole && context_.rows_are_known ? Level::kProblem : Level::kUnknown,
        "replayed_count",
        fmt::format("the table counts {} replayed dead letters, but {} are in it and in its dead "
                    "letters{}",
                    facts_.replayed, facts_.both.size(),
                    log_is_whole ? ""
                                 : "; the log entries of their time are gone: whether rows or dead "
                                   "letters were removed since cannot be told"));
  }

  void judge_progress() {
    const Offset progress = facts_.progress.value_or(Offset{0});
    if (const auto first = facts_.dead.first_present(progress)) {
      say(Level::kOk, "dead_letters_ahead",
          fmt::format("{} dead letters lie at or after the table's progress, the first at offset "
                      "{}: dead letters are written before the rows around them",
                      facts_.dead.count({progress, k_end_of_time}), first->value));
    }
    if (!facts_.dead_progress) return;
    const std::uint64_t beyond = facts_.dead.count({*facts_.dead_progress, k_end_of_time});
    if (beyond == 0) return;
    say(Level::kProblem, "dead_letters_beyond_progress",
        fmt::format(
            "{} dead letters lie at or after their table's own progress, offset {}: another "
            "program wrote them, or the progress was set back",
            beyond, facts_.dead_progress->value));
  }

  const PartitionFacts& facts_;
  const DeadLetterContext& context_;
  std::vector<DeadLetterFinding> findings_;
};

}  // namespace

std::uint64_t both_without_replay(const PartitionFacts& facts) {
  return facts.both.size() - std::min(facts.both.size(), facts.replayed);
}

std::vector<DeadLetterFinding> judge_dead_letters(const PartitionFacts& facts,
                                                  const DeadLetterContext& context) {
  return DeadLetterJudge(facts, context).judge();
}

}  // namespace bronze::commands
