#include "commands/verify_judgement.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "base/exit_codes.h"
#include "commands/verify_dead_letters.h"
#include "ingest/app_id.h"
#include "ingest/resolve.h"

namespace bronze::commands {
namespace {

using delta::StoreStatus;
using TroubleKind = kafka::Trouble::Kind;

constexpr Offset k_end_of_time{std::numeric_limits<std::int64_t>::max()};
constexpr std::size_t k_ranges_told_max = 20;

template <typename Map>
std::optional<typename Map::mapped_type> value_in(const Map& map, Partition partition) {
  const auto found = map.find(partition);
  return found == map.end() ? std::nullopt : std::optional(found->second);
}

std::string text(const OffsetRange& range) {
  if (length(range) == 1) return fmt::format("{}", range.first.value);
  return fmt::format("{} to {}", range.first.value, range.next.value - 1);
}

std::string text(const std::vector<OffsetRange>& ranges) {
  constexpr std::size_t k_shown_max = 5;
  std::string list;
  for (std::size_t i = 0; i < std::min(ranges.size(), k_shown_max); ++i) {
    list += (i == 0 ? "" : ", ") + text(ranges[i]);
  }
  return ranges.size() > k_shown_max ? list + ", ..." : list;
}

std::string text(const Sample& sample) {
  std::string list;
  for (const auto& name : sample.names) list += (list.empty() ? "" : "; ") + name;
  return sample.count > sample.names.size() ? list + "; ..." : list;
}

std::optional<Offset> first_row(const PartitionFacts& facts) {
  const auto row = facts.rows.first_present(Offset{0});
  const auto dead = facts.dead.first_present(Offset{0});
  if (row && dead) return std::min(*row, *dead);
  return row ? row : dead;
}

/// Where the service began: at 0 with a partition that was added later. nullopt = the entry that
/// says it is gone from the log.
std::optional<Offset> begin_of(const EpochFacts& epoch, const PartitionFacts& facts) {
  if (facts.begin) return facts.begin;
  return epoch.registration_seen ? std::optional(Offset{0}) : std::nullopt;
}

/// From where on the table has offsets for certain; nullopt = it shows none.
std::optional<Offset> known_from(const EpochFacts& epoch, const PartitionFacts& facts) {
  if (const auto begin = begin_of(epoch, facts)) return begin;
  const auto stated = facts.stated.first_present(Offset{0});
  const auto row = first_row(facts);
  if (stated && row) return std::min(*stated, *row);
  return stated ? stated : row;
}

/// Whether all rows of the table could be told.
bool rows_are_known(const TopicFacts& facts) {
  const auto complete = [](const TableFacts& table) {
    return table.unreadable.empty() && table.listed.ok() && table.unread_files.count == 0 &&
           !table.out_of_memory;
  };
  const bool dead_are_known = facts.dead_letters.loaded.status == StoreStatus::kMissing ||
                              (facts.dead_letters.loaded.ok() && complete(facts.dead_letters));
  return facts.table.loaded.ok() && complete(facts.table) && dead_are_known;
}

/// Before what offset the group was told that everything is in the table; nullopt = it was not, or
/// perhaps of an older topic of this name.
std::optional<Offset> told_offset(const TopicFacts& facts, Partition partition) {
  if (facts.current().since != 0 || !is_same_topic(facts)) return std::nullopt;
  const auto told = value_in(facts.kafka.group_offsets, partition);
  if (!told || told->metadata != ingest::commit_metadata(facts.table.id)) return std::nullopt;
  return told->offset;
}

/// One partition of one epoch.
class PartitionJudge {
 public:
  PartitionJudge(const TopicFacts& facts, const EpochFacts& epoch, Partition partition,
                 std::vector<VerifyFinding>& findings)
      : all_(facts),
        epoch_(epoch),
        facts_(epoch.partitions.at(partition)),
        is_current_(&epoch == &facts.current()),
        findings_(findings) {
    report_.partition = partition;
  }

  VerifiedPartition judge() {
    report_.rows = facts_.row_count;
    report_.dead_letters = facts_.dead_count;
    report_.dead_letter_progress = facts_.dead_progress;
    report_.replayed = facts_.both.size();
    report_.begin = begin_of(epoch_, facts_);
    report_.progress = facts_.progress;
    if (is_current_ && is_same_topic(all_)) {
      report_.earliest = value_in(all_.kafka.earliest, report_.partition);
      report_.latest = value_in(all_.kafka.latest, report_.partition);
      report_.high_watermark = value_in(all_.kafka.end, report_.partition);
    }
    judge_lag();
    describe_ranges();
    judge_duplicates();
    if (all_.registered) {
      judge_progress();
      count_gaps();
      judge_gaps();
    }
    return std::move(report_);
  }

 private:
  void say(Level level, const char* code, std::string message) {
    report_.level = std::max(report_.level, level);
    findings_.push_back({level, code, report_.partition, std::move(message)});
  }

  void judge_lag() {
    if (!report_.latest || !report_.earliest) return;
    const Offset next = report_.progress.value_or(*report_.earliest);
    const Offset end = std::max(report_.high_watermark.value_or(*report_.latest), *report_.latest);
    report_.lag = std::max<std::int64_t>(end.value - next.value, 0);
    if (end == *report_.latest) return;
    say(Level::kOk, "open_transaction",
        fmt::format("{} offsets, {}, are waiting for an open transaction: nothing from offset {} "
                    "on can be read until it ends",
                    end.value - report_.latest->value, text(OffsetRange{*report_.latest, end}),
                    report_.latest->value));
  }

  void describe_ranges() {
    const std::array<const OffsetSet*, 2> sets{&facts_.rows, &facts_.dead};
    Offset at{0};
    for (auto first = first_row(facts_); first; ++report_.range_count) {
      const auto gap = first_gap(sets, *first, k_end_of_time);
      const OffsetRange range{*first, gap ? gap->first : k_end_of_time};
      if (report_.ranges.size() < k_ranges_told_max) report_.ranges.push_back(range);
      at = gap ? gap->next : k_end_of_time;
      first = at == k_end_of_time ? std::nullopt : std::optional(at);
    }
  }

  /// Whose the offsets of a range are.
  [[nodiscard]] std::uint64_t others(const OffsetRange& range) const {
    return facts_.others.count(range);
  }
  /// Of those that are not another program's, how many are proven to be ours.
  [[nodiscard]] std::uint64_t ours(const OffsetRange& range) const {
    if (epoch_.registration_seen) return length(range) - others(range);
    return facts_.stated.count(range);
  }

  void judge_duplicates() {
    report_.duplicates = facts_.row_count - facts_.rows.size() + facts_.dead_count -
                         facts_.dead.size() + both_without_replay(facts_);
    judge_repeated(facts_.repeated, "offsets are there more than once");
    judge_repeated(facts_.repeated_dead, "dead letters are there more than once");
    judge_both();
  }

  struct Owned {
    std::uint64_t ours = 0;
    std::uint64_t others = 0;
    std::uint64_t nobodys = 0;
    /// Those that are not another program's.
    std::vector<OffsetRange> samples;
  };
  [[nodiscard]] Owned owners_of(const OffsetSet& offsets) const {
    Owned owned;
    for (auto first = offsets.first_present(Offset{0}); first;) {
      const OffsetRange range{*first, offsets.first_absent(*first)};
      owned.others += others(range);
      owned.ours += ours(range);
      owned.nobodys += length(range) - others(range) - ours(range);
      if (owned.samples.size() < k_ranges_told_max && others(range) < length(range)) {
        owned.samples.push_back(range);
      }
      first = offsets.first_present(range.next);
    }
    return owned;
  }

  void judge_repeated(const OffsetSet& repeated, const char* what) {
    const Owned owned = owners_of(repeated);
    report_.duplicates_of_others += owned.others;
    if (owned.ours > 0) {
      say(Level::kProblem, "duplicate_rows",
          fmt::format("{} {}: {}", owned.ours + owned.nobodys, what, text(owned.samples)));
    } else if (owned.nobodys > 0) {
      say(all_.registered ? Level::kUnknown : Level::kWarning, "duplicate_rows",
          fmt::format("{} {}: {}. The log no longer tells who wrote them: this service, or another "
                      "program before it",
                      owned.nobodys, what, text(owned.samples)));
    }
    if (owned.others > 0) {
      say(Level::kWarning, "duplicates_before_take_over",
          fmt::format("{} {} that another program wrote", owned.others, what));
    }
  }

  void judge_both() {
    const Owned both = owners_of(facts_.both);
    report_.duplicates_of_others += std::min(both.others, both_without_replay(facts_));
    auto findings = judge_dead_letters(facts_, {.registered = all_.registered,
                                                .rows_are_known = rows_are_known(all_),
                                                .both_of_others = both.others,
                                                .both_of_ours = both.ours});
    for (auto& finding : findings) say(finding.level, finding.code, std::move(finding.message));
  }

  void judge_progress() {
    // Rows of several topics, only one of whose progress is at hand.
    if (!all_.merged_identities.empty() && &epoch_ == &all_.epochs.front()) return;
    const Offset progress = facts_.progress.value_or(Offset{0});
    const std::uint64_t beyond = facts_.rows.count({progress, k_end_of_time});
    if (beyond > 0) {
      say(Level::kProblem, "rows_beyond_progress",
          fmt::format(
              "{} rows lie at or after the table's own progress, offset {}; the first is {}. "
              "Either another program wrote them since, or the progress was set back and "
              "they will be written again",
              beyond, progress.value, facts_.rows.first_present(progress)->value));
    }
    if (report_.latest && progress > *report_.latest) {
      say(Level::kProblem, "log_truncated",
          fmt::format(
              "the table's progress is offset {}, but Kafka ends at {}: Kafka lost records, "
              "or the progress is wrong",
              progress.value, report_.latest->value));
    }
    const Offset now = std::max(progress, later_progress().value_or(progress));
    if (report_.earliest && facts_.progress && now < *report_.earliest) {
      say(Level::kProblem, "data_loss",
          fmt::format("Kafka deleted offsets {} before they were written",
                      text(OffsetRange{now, *report_.earliest})));
    }
    judge_group_offset(now);
  }

  [[nodiscard]] std::optional<Offset> later_progress() const {
    return is_current_ ? value_in(all_.later_progress, report_.partition) : std::nullopt;
  }

  void judge_group_offset(Offset progress) {
    const auto told = is_current_ ? told_offset(all_, report_.partition) : std::nullopt;
    if (!told || *told <= progress) return;
    say(Level::kProblem, "table_set_back",
        fmt::format(
            "the consumer group was told that everything before offset {} is in this table, "
            "whose progress is {}: the newest log entries were lost, or the table was set "
            "back to an older version",
            told->value, progress.value));
  }

  /// Adds up what is in no row before the progress, by why.
  void count_gaps() {
    const Offset progress = facts_.progress.value_or(Offset{0});
    Offset from = known_from(epoch_, facts_).value_or(progress);
    if (const auto row = first_row(facts_)) from = std::min(from, *row);
    const std::array<const OffsetSet*, 2> sets{&facts_.rows, &facts_.dead};
    const auto look = value_in(looks(), report_.partition);
    // Of a topic whose place another one took, Kafka has nothing.
    const Offset earliest = is_current_ ? report_.earliest.value_or(Offset{0}) : progress;
    const Offset lost = std::clamp(earliest, from, std::max(from, progress));
    const Offset told = look ? look->reached.value_or(progress) : lost;
    GapReport& gaps = report_.gaps;
    for (auto gap = first_gap(sets, from, progress); gap;
         gap = first_gap(sets, gap->next, progress)) {
      gaps.before_take_over += facts_.others.count(*gap);
      gaps.skipped += facts_.skipped.count(*gap);
      const auto open = [&](Offset first, Offset next) {
        const OffsetRange part{std::max(first, gap->first), std::min(next, gap->next)};
        if (part.first >= part.next) return std::uint64_t{0};
        return length(part) - facts_.others.count(part) - facts_.skipped.count(part);
      };
      gaps.retention += open(from, lost);
      gaps.explained += open(lost, std::max(told, lost));
      gaps.unknown += open(std::max(told, lost), progress);
    }
    if (look) gaps.missing = look->visible;
    gaps.explained -= std::min(gaps.explained, gaps.missing);
    not_compared_ = gaps.unknown;
    count_beginning();
    find_untold(from, lost);
  }

  void count_beginning() {
    const auto range = is_current_ ? beginning_to_ask(all_, report_.partition) : std::nullopt;
    if (!range) return;
    const auto look = value_in(all_.beginning_looks, report_.partition);
    const bool is_empty = look && look->visible == 0 && !look->trouble.any();
    (is_empty ? report_.gaps.explained : report_.gaps.unknown) += length(*range);
    if (look && look->visible > 0) {
      say(Level::kUnknown, "beginning_unknown",
          fmt::format("Kafka has records at offsets {} that are in no row, the first at {}; the "
                      "log entry that says where the service began is gone, so whether they were "
                      "written and lost cannot be told",
                      text(*range), text(look->samples)));
    } else if (!is_empty) {
      say(Level::kUnknown, "gaps_not_read",
          fmt::format("whether Kafka has records at offsets {} is not known: {}", text(*range),
                      look ? look->trouble.text() : "it was not asked"));
    }
  }

  /// What neither Kafka nor the log tells of.
  void find_untold(Offset from, Offset lost) {
    const std::array<const OffsetSet*, 5> told{&facts_.rows, &facts_.dead, &facts_.others,
                                               &facts_.skipped, &facts_.stated};
    for (auto gap = first_gap(told, from, lost); gap; gap = first_gap(told, gap->next, lost)) {
      untold_ += length(*gap);
      if (untold_samples_.size() < k_ranges_told_max) untold_samples_.push_back(*gap);
    }
  }

  [[nodiscard]] const std::map<Partition, kafka::GapLook>& looks() const {
    static const std::map<Partition, kafka::GapLook> k_none;
    return is_current_ ? all_.gap_looks : k_none;
  }

  void judge_gaps() {
    const auto look = value_in(looks(), report_.partition);
    if (look && look->visible > 0) {
      const bool proven = rows_are_known(all_) &&
                          std::any_of(look->samples.begin(), look->samples.end(),
                                      [&](const OffsetRange& range) { return ours(range) > 0; });
      say(proven ? Level::kProblem : Level::kUnknown, "missing_rows",
          fmt::format("{}{} records that Kafka has are in no row: offsets {}{}",
                      look->trouble.any() ? "at least " : "", look->visible, text(look->samples),
                      proven
                          ? ""
                          : ". Not all rows could be read, or the log no longer tells who was to "
                            "write them: this service, or another program before it"));
    }
    if (look && look->trouble.any()) {
      say(Level::kUnknown, "gaps_not_read",
          fmt::format("not all gaps could be compared with Kafka: {}", look->trouble.text()));
    } else if (not_compared_ > 0) {
      say(Level::kUnknown, "gaps_not_read",
          fmt::format(
              "{} offsets before the table's progress are in no row, and Kafka does not tell "
              "whether they should be",
              not_compared_));
    }
    judge_retention();
    if (report_.gaps.skipped > 0) {
      say(Level::kWarning, "skipped",
          fmt::format("{} offsets were skipped, since Kafka had lost them: {}",
                      report_.gaps.skipped, first_skipped()));
    }
  }

  void judge_retention() {
    const Offset progress = facts_.progress.value_or(Offset{0});
    if (untold_ > 0) {
      say(Level::kUnknown, "rows_lost",
          fmt::format("{} offsets are in no row: {}. Kafka no longer has them, and the log entries "
                      "of their time are gone: whether rows were written there cannot be told",
                      untold_, text(untold_samples_)));
    } else if (!report_.begin && progress > Offset{0} && !first_row(facts_) &&
               facts_.stated.empty() && report_.gaps.missing == 0 && report_.gaps.unknown == 0) {
      say(Level::kUnknown, "rows_lost",
          fmt::format("there is no row at all before the table's progress, offset {}, and neither "
                      "Kafka nor the log tells any more whether one was written",
                      progress.value));
    }
    if (report_.gaps.retention > untold_) {
      say(Level::kOk, "retention",
          fmt::format(
              "{} offsets are in no row that Kafka no longer has; commits of their time say how "
              "many rows they wrote there",
              report_.gaps.retention - untold_));
    }
  }

  [[nodiscard]] std::string first_skipped() const {
    std::vector<OffsetRange> ranges;
    for (auto first = facts_.skipped.first_present(Offset{0}); first && ranges.size() < 6;) {
      ranges.push_back({*first, facts_.skipped.first_absent(*first)});
      first = facts_.skipped.first_present(ranges.back().next);
    }
    return text(ranges);
  }

  const TopicFacts& all_;
  const EpochFacts& epoch_;
  const PartitionFacts& facts_;
  const bool is_current_;
  std::vector<VerifyFinding>& findings_;
  VerifiedPartition report_;
  /// Offsets without a row that Kafka was to be asked about.
  std::uint64_t not_compared_ = 0;
  /// Those that neither Kafka nor the log tells of.
  std::uint64_t untold_ = 0;
  std::vector<OffsetRange> untold_samples_;
};

/// What is of the whole table.
class TableJudge {
 public:
  TableJudge(const TopicFacts& facts, std::vector<VerifyFinding>& findings)
      : facts_(facts), findings_(findings) {}

  void judge() {
    judge_loading();
    if (!facts_.table.loaded.ok()) return;
    judge_files(facts_.table);
    if (facts_.dead_letters.loaded.ok()) judge_files(facts_.dead_letters);
    judge_log();
    judge_identity();
  }

 private:
  void say(Level level, const char* code, std::string message) {
    findings_.push_back({level, code, std::nullopt, std::move(message)});
  }
  void say_if(const Sample& sample, Level level, const char* code, const std::string& what) {
    if (sample.count == 0) return;
    say(level, code, fmt::format("{} {}: {}", sample.count, what, text(sample)));
  }

  void judge_loading() {
    const auto& loaded = facts_.table.loaded;
    if (loaded.status == StoreStatus::kMissing) return judge_absence();
    if (!loaded.ok()) {
      const bool is_broken = loaded.status == StoreStatus::kCorrupt;
      say(is_broken ? Level::kProblem : Level::kUnknown,
          is_broken ? "log_broken" : "table_not_read",
          "the table cannot be read: " + loaded.message);
      return;
    }
    const auto& dead = facts_.dead_letters.loaded;
    if (!dead.ok() && dead.status != StoreStatus::kMissing) {
      const bool is_broken = dead.status == StoreStatus::kCorrupt;
      say(is_broken ? Level::kProblem : Level::kUnknown,
          is_broken ? "log_broken" : "table_not_read",
          "the dead-letter table cannot be read: " + dead.message);
    }
  }

  void judge_absence() {
    const auto& offsets = facts_.kafka.group_offsets;
    const bool was_there = std::any_of(offsets.begin(), offsets.end(), [](const auto& entry) {
      return ingest::names_a_table(entry.second.metadata);
    });
    if (was_there) {
      say(Level::kProblem, "table_lost",
          fmt::format("there is no table {}, but the consumer group's offsets say that there was "
                      "one: it was deleted or moved away, or DELTA_BASE_PATH is another one",
                      facts_.table.directory));
    } else {
      say(Level::kUnknown, "table_absent",
          fmt::format("there is no table {}: nothing was written yet, or the topic or "
                      "DELTA_BASE_PATH is another one",
                      facts_.table.directory));
    }
  }

  void judge_files(const TableFacts& table) {
    if (!table.unreadable.empty()) {
      say(Level::kUnknown, "unsupported",
          fmt::format("{} cannot be compared: {}", table.directory, table.unreadable));
      return;
    }
    if (!table.listed.ok()) {
      const bool is_broken = table.listed.status == StoreStatus::kCorrupt;
      say(is_broken ? Level::kProblem : Level::kUnknown,
          is_broken ? "log_broken" : "table_not_read",
          fmt::format("the files of {} are not all known: {}", table.directory,
                      table.listed.message));
    }
    if (table.out_of_memory) {
      say(Level::kUnknown, "out_of_memory",
          "the offsets of this topic need more memory than --memory allows; nothing is said of "
          "them");
    }
    say_if(table.missing_files, Level::kProblem, "file_missing",
           "files of the table are not in the store");
    say_if(table.broken_files, Level::kProblem, "file_broken", "files of the table are damaged");
    say_if(table.files_of_other_size, Level::kProblem, "file_size",
           "files are not as large as the log says");
    say_if(table.files_of_other_row_count, Level::kProblem, "file_rows",
           "files do not hold as many rows as the log says");
    say_if(table.unread_files, Level::kUnknown, "file_not_read", "files could not be read");
    if (table.rows_of_no_record > 0) {
      say(Level::kProblem, "rows_not_written",
          fmt::format("{} rows of {} have offsets that no record of Kafka has: below 0, or the "
                      "greatest number; another program wrote them",
                      table.rows_of_no_record, table.directory));
    }
    if (table.rows_without_offset > 0) {
      say(Level::kWarning, "rows_without_offset",
          fmt::format("{} rows of {} came from no partition: another program wrote them",
                      table.rows_without_offset, table.directory));
    }
  }

  void judge_log() {
    const LogFacts& log = facts_.log;
    if (!log.listed.ok()) {
      say(Level::kUnknown, "log_not_read", "the log cannot be listed: " + log.listed.message);
    }
    say_if(log.needed_entries, Level::kProblem, "log_entry_missing",
           "log entries after the last checkpoint are missing");
    say_if(log.missing_entries, Level::kWarning, "log_entry_missing",
           "log entries before the last checkpoint are missing, which readers do not need");
    say_if(log.broken_entries, Level::kProblem, "log_entry_broken", "log entries are damaged");
    say_if(log.unread_entries, Level::kUnknown, "log_not_read", "log entries could not be read");
    if (log.short_rows > 0 && !facts_.table.out_of_memory) {
      std::string message =
          fmt::format("{} rows that commits of this service say they wrote are not there: {}",
                      log.short_rows, text(log.short_commits));
      if (log.foreign_removals.count > 0) {
        message += ". Other programs took files away: " + text(log.foreign_removals);
      }
      say(rows_are_known(facts_) ? Level::kProblem : Level::kUnknown, "rows_lost",
          std::move(message));
    }
    // Rows of several topics share the ranges of one.
    if (log.extra_rows > 0 && facts_.merged_identities.empty()) {
      say(Level::kProblem, "rows_not_written",
          fmt::format("{} rows lie where commits of this service wrote fewer: {}. Another program "
                      "wrote rows there, and they may hide others that are missing",
                      log.extra_rows, text(log.extra_commits)));
    }
  }

  void judge_identity() {
    if (!facts_.merged_identities.empty()) {
      say(Level::kUnknown, "identities",
          fmt::format("the table holds rows of {} topics of this name that cannot be told apart",
                      facts_.merged_identities.size() + 1));
    }
    if (!facts_.registered) return judge_unregistered();
    const auto& kafka = facts_.kafka;
    if (kafka.trouble.kind == TroubleKind::kUnknownTopic) {
      say(Level::kUnknown, "topic_absent",
          "the topic does not exist: its rows cannot be compared with Kafka");
    } else if (!kafka.trouble.any() && !is_same_topic(facts_)) {
      say(Level::kUnknown, "other_topic",
          fmt::format(
              "Kafka's topic is {}, the table was written from {}: it was deleted and created "
              "again, or is on another cluster; its rows cannot be compared with Kafka",
              kafka.identity.text, facts_.current().identity));
    }
  }

  void judge_unregistered() {
    if (told_of_lost_state()) return;
    std::string positions;
    for (const EpochFacts& epoch : facts_.epochs) {
      if (!epoch.identity.empty()) positions += (positions.empty() ? "" : ", ") + epoch.identity;
    }
    if (!positions.empty()) {
      // The service writes both in one commit.
      const bool is_ours =
          std::any_of(facts_.epochs.begin(), facts_.epochs.end(), [&](const EpochFacts& epoch) {
            return !facts_.kafka.trouble.any() &&
                   epoch.identity == ingest::percent_encode(facts_.kafka.identity.text);
          });
      say(is_ours ? Level::kProblem : Level::kUnknown,
          is_ours ? "registration_lost" : "not_registered",
          fmt::format("the table has positions of consumer group {} of topic id {}, but not the "
                      "txn that registers topic {}: it was lost, or the positions are of another "
                      "topic; its rows cannot be compared",
                      facts_.group, positions, facts_.topic));
      return;
    }
    std::string groups;
    for (const auto& group : facts_.other_groups) groups += (groups.empty() ? "" : ", ") + group;
    say(Level::kUnknown, "not_registered",
        groups.empty()
            ? "no service of consumer group " + facts_.group +
                  " has written to this table: there is no progress to compare its rows with"
            : "the table knows the topic under consumer group " + groups + ", not under " +
                  facts_.group + ": set KAFKA_CONSUMER_GROUP");
  }

  /// The group's offsets name a table that had the state which this one has not.
  bool told_of_lost_state() {
    const std::string ours = ingest::commit_metadata(facts_.table.id);
    for (const auto& [partition, told] : facts_.kafka.group_offsets) {
      if (!ingest::names_a_table(told.metadata)) continue;
      if (told.metadata == ours) {
        say(Level::kProblem, "table_set_back",
            fmt::format("the consumer group was told that everything of partition {} before offset "
                        "{} is in this table, which knows nothing of the topic: the newest log "
                        "entries were lost, or the table was set back to an older version",
                        number(partition), told.offset.value));
      } else {
        say(Level::kProblem, "table_lost",
            fmt::format("the consumer group was told that everything of partition {} before offset "
                        "{} is in another table of this name; this one, {}, was created since and "
                        "knows nothing of the topic: the rows of the other one are lost or moved "
                        "away",
                        number(partition), told.offset.value, facts_.table.id));
      }
      return true;
    }
    return false;
  }

  const TopicFacts& facts_;
  std::vector<VerifyFinding>& findings_;
};

void judge_kafka(const TopicFacts& facts, std::vector<VerifyFinding>& findings) {
  const auto say = [&](const kafka::Trouble& trouble, const char* what) {
    findings.push_back({Level::kUnknown, "kafka_unreachable", std::nullopt,
                        fmt::format("Kafka does not tell {}: {}", what, trouble.text())});
  };
  const auto& look = facts.kafka;
  if (look.trouble.any() && look.trouble.kind != TroubleKind::kUnknownTopic) {
    say(look.trouble, "about the topic");
  } else if (look.offsets_trouble.any()) {
    say(look.offsets_trouble, "the topic's offsets");
  } else if (look.group_offsets_trouble.any()) {
    findings.push_back(
        {Level::kWarning, "group_offsets", std::nullopt,
         "Kafka does not tell the group's offsets: " + look.group_offsets_trouble.message});
  }
}

}  // namespace

bool is_same_topic(const TopicFacts& facts) {
  return !facts.kafka.trouble.any() && facts.registered &&
         ingest::percent_encode(facts.kafka.identity.text) == facts.current().identity;
}

namespace {

/// A partition of the current epoch of which Kafka can be asked.
struct Askable {
  const PartitionFacts& of;
  Offset progress;
  Offset earliest;
  Offset latest;
};

std::optional<Askable> askable(const TopicFacts& facts, Partition partition) {
  const auto& partitions = facts.current().partitions;
  const auto found = partitions.find(partition);
  const auto earliest = value_in(facts.kafka.earliest, partition);
  const auto latest = value_in(facts.kafka.latest, partition);
  if (found == partitions.end() || !earliest || !latest) return std::nullopt;
  const PartitionFacts& of = found->second;
  if (!of.progress || !is_same_topic(facts)) return std::nullopt;
  return Askable{of, *of.progress, *earliest, *latest};
}

}  // namespace

std::optional<OffsetRange> next_gap_to_ask(const TopicFacts& facts, Partition partition,
                                           Offset from) {
  const auto ask = askable(facts, partition);
  if (!ask) return std::nullopt;
  const PartitionFacts& of = ask->of;
  const Offset begin = known_from(facts.current(), of).value_or(ask->progress);
  const std::array<const OffsetSet*, 4> covered{&of.rows, &of.dead, &of.others, &of.skipped};
  return first_gap(covered, std::max({from, begin, ask->earliest}),
                   std::min(ask->progress, ask->latest));
}

std::optional<OffsetRange> beginning_to_ask(const TopicFacts& facts, Partition partition) {
  const EpochFacts& epoch = facts.current();
  const auto ask = askable(facts, partition);
  if (!ask || begin_of(epoch, ask->of)) return std::nullopt;
  const Offset end = std::min(known_from(epoch, ask->of).value_or(ask->progress), ask->latest);
  return ask->earliest < end ? std::optional(OffsetRange{ask->earliest, end}) : std::nullopt;
}

bool is_ahead_of_table(const TopicFacts& facts) {
  if (!is_same_topic(facts)) return false;
  const auto& partitions = facts.current().partitions;
  return std::any_of(partitions.begin(), partitions.end(), [&](const auto& entry) {
    const Offset progress = entry.second.progress.value_or(Offset{0});
    return told_offset(facts, entry.first).value_or(progress) > progress ||
           value_in(facts.kafka.earliest, entry.first).value_or(progress) > progress;
  });
}

VerifiedTopic judge(const TopicFacts& facts) {
  VerifiedTopic report;
  report.topic = facts.topic;
  report.table = facts.table.directory;
  report.dead_letter_table = facts.dead_letters.directory;
  report.table_exists = facts.table.loaded.ok();
  report.dead_letter_table_exists = facts.table.loaded.ok() && facts.dead_letters.loaded.ok();
  report.version = facts.table.version;
  report.files = facts.table.files;
  report.rows = facts.table.rows;
  report.bytes = facts.table.bytes;
  report.log_entries = facts.log.entries;
  report.kafka_told = !facts.kafka.trouble.any() && !facts.kafka.offsets_trouble.any();
  TableJudge(facts, report.findings).judge();
  judge_kafka(facts, report.findings);
  const bool offsets_are_known = facts.table.loaded.ok() && facts.table.unreadable.empty() &&
                                 !facts.table.out_of_memory && !facts.dead_letters.out_of_memory;
  if (!offsets_are_known) return report;
  for (const EpochFacts& epoch : facts.epochs) {
    VerifiedEpoch verified{.identity = epoch.identity,
                           .since = epoch.since,
                           .is_current = &epoch == &facts.current(),
                           .partitions = {}};
    for (const auto& [partition, of] : epoch.partitions) {
      verified.partitions.push_back(
          PartitionJudge(facts, epoch, partition, report.findings).judge());
    }
    report.epochs.push_back(std::move(verified));
  }
  return report;
}

std::size_t count_of(const VerifyReport& report, Level level) {
  const auto count = [level](const std::vector<VerifyFinding>& findings) {
    return static_cast<std::size_t>(
        std::count_if(findings.begin(), findings.end(),
                      [level](const VerifyFinding& finding) { return finding.level == level; }));
  };
  std::size_t sum = count(report.findings);
  for (const auto& topic : report.topics) sum += count(topic.findings);
  return sum;
}

int exit_code(const VerifyReport& report) {
  if (count_of(report, Level::kProblem) > 0) return k_failed;
  return count_of(report, Level::kUnknown) > 0 ? k_could_not_tell : k_done;
}

}  // namespace bronze::commands
