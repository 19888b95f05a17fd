#include "commands/verify_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>

#include "ingest/app_id.h"

namespace bronze::commands {
namespace {

constexpr std::uint64_t k_entries_together = 256;
constexpr const char* k_replayed = "bronzeReplayed";

/// The number that `text` is; nullopt = it is none.
template <typename Number>
std::optional<Number> number_in(std::string_view text) {
  Number value{};
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// `[10,20]`; nullopt = no range of offsets.
std::optional<OffsetRange> range_in(const nlohmann::json& range) {
  if (!range.is_array() || range.size() != 2 || !range[0].is_number_integer() ||
      !range[1].is_number_integer()) {
    return std::nullopt;
  }
  const OffsetRange stated{Offset{range[0].get<std::int64_t>()},
                           Offset{range[1].get<std::int64_t>()}};
  const bool is_one = Offset{0} <= stated.first && stated.first <= stated.next;
  return is_one ? std::optional(stated) : std::nullopt;
}

/// `{"0":[10,20]}`: the ranges that a commit states; empty = none, or not understood.
RangeMap ranges_in(const delta::LogEntry& entry, const std::string& parameter) {
  RangeMap ranges;
  const auto found = entry.parameters.find(parameter);
  if (found == entry.parameters.end()) return ranges;
  const auto json = nlohmann::json::parse(found->second, nullptr, false);
  if (!json.is_object()) return ranges;
  for (const auto& [key, range] : json.items()) {
    const auto partition = number_in<std::int32_t>(key);
    const auto stated = range_in(range);
    if (partition && stated) ranges[Partition{*partition}] = *stated;
  }
  return ranges;
}

/// Which epoch the entry's progress is of; null = none that the table knows under our group.
EpochFacts* epoch_of(const delta::LogEntry& entry, TopicFacts& facts) {
  const std::string prefix = ingest::group_prefix(facts.group);
  for (EpochFacts& epoch : facts.epochs) {
    if (epoch.identity.empty()) continue;
    const std::string begin = prefix + epoch.identity + "/";
    const auto txn = entry.txns.lower_bound(begin);
    if (txn != entry.txns.end() && txn->first.starts_with(begin)) return &epoch;
  }
  return nullptr;
}

/// The partitions whose progress the entry moves, and to where.
OffsetMap progress_in(const delta::LogEntry& entry, const TopicFacts& facts,
                      const EpochFacts& epoch) {
  OffsetMap progress;
  const std::string begin = ingest::group_prefix(facts.group) + epoch.identity + "/";
  for (auto txn = entry.txns.lower_bound(begin);
       txn != entry.txns.end() && txn->first.starts_with(begin); ++txn) {
    const auto partition =
        number_in<std::int32_t>(std::string_view(txn->first).substr(begin.size()));
    if (partition) progress[Partition{*partition}] = Offset{txn->second};
  }
  return progress;
}

/// A log may name ranges of any length.
void add(OffsetRange range, OffsetSet& set, TopicFacts& facts) {
  if (facts.offsets_bytes + OffsetSet::bytes_to_add(range) > facts.offsets_bytes_max) {
    facts.table.out_of_memory = true;
    return;
  }
  const std::uint64_t before = set.bytes();
  set.add(range);
  facts.offsets_bytes += set.bytes() - before;
}

/// An entry that says where reading begins: what lies before is another program's.
void take_registration(const delta::LogEntry& entry, TopicFacts& facts, EpochFacts& epoch) {
  const bool moves = entry.parameters.contains("bronzeTakesOver");
  if (!moves) epoch.registration_seen = true;
  for (const auto& [partition, next] : progress_in(entry, facts, epoch)) {
    PartitionFacts& of = epoch.partitions[partition];
    const Offset from =
        of.stated.empty() ? of.begin.value_or(Offset{0}) : of.stated.last().following();
    const bool from_is_known = epoch.registration_seen || !of.stated.empty();
    if (from_is_known) add({from, next}, of.others, facts);
    if (!moves) of.begin = next;
  }
}

std::optional<std::uint64_t> stated_rows(const delta::LogEntry& entry) {
  const auto found = entry.parameters.find("bronzeRows");
  return found == entry.parameters.end() ? std::nullopt : number_in<std::uint64_t>(found->second);
}

std::string describe(const delta::LogEntry& entry, std::uint64_t stated, std::uint64_t there,
                     const char* ranges) {
  return fmt::format("version {}: {} rows written, {} there (offsets {})", entry.version, stated,
                     there, entry.parameters.at(ranges));
}

void compare_rows(const delta::LogEntry& entry, const RangeMap& ranges, const EpochFacts& epoch,
                  TopicFacts& facts) {
  const auto stated = stated_rows(entry);
  if (!stated || ranges.empty()) return;
  std::uint64_t there = 0;
  std::uint64_t dead = 0;
  for (const auto& [partition, range] : ranges) {
    const auto known = epoch.partitions.find(partition);
    if (known == epoch.partitions.end()) continue;
    const PartitionFacts& of = known->second;
    // Rows that are dead letters too were written by a replay.
    there += of.rows.count(range) - of.both.count(range);
    // Where the service keeps dead letters, its commits count without them.
    if (!of.dead_progress) dead += of.dead.count(range);
  }
  if (there + dead < *stated) {
    facts.log.short_rows += *stated - there - dead;
    facts.log.short_commits.add(describe(entry, *stated, there + dead, "bronzeOffsets"));
  } else if (there > *stated) {
    facts.log.extra_rows += there - *stated;
    facts.log.extra_commits.add(describe(entry, *stated, there, "bronzeOffsets"));
  }
}

/// `{"0":[[10,12],[15,16]]}`: the ranges that a commit says it replayed.
std::map<Partition, std::vector<OffsetRange>> replays_in(const delta::LogEntry& entry) {
  std::map<Partition, std::vector<OffsetRange>> replays;
  const auto json = nlohmann::json::parse(entry.parameters.at(k_replayed), nullptr, false);
  if (!json.is_object()) return replays;
  for (const auto& [key, ranges] : json.items()) {
    const auto partition = number_in<std::int32_t>(key);
    if (!partition || !ranges.is_array()) continue;
    for (const auto& range : ranges) {
      const auto stated = range_in(range);
      if (stated) replays[Partition{*partition}].push_back(*stated);
    }
  }
  return replays;
}

void take_replay(const delta::LogEntry& entry, EpochFacts& epoch, TopicFacts& facts) {
  std::uint64_t there = 0;
  std::uint64_t without_letter = 0;
  for (const auto& [partition, ranges] : replays_in(entry)) {
    PartitionFacts& of = epoch.partitions[partition];
    for (const auto& range : ranges) {
      add(range, of.stated_replays, facts);
      of.stated_replay_count += length(range);
      const std::uint64_t rows = of.rows.count(range);
      there += rows;
      without_letter += rows - of.both.count(range);
    }
  }
  // They were taken for rows too many of the commit that passed over them.
  facts.log.extra_rows -= std::min(facts.log.extra_rows, without_letter);
  const auto stated = stated_rows(entry);
  if (!stated || there >= *stated) return;
  facts.log.short_rows += *stated - there;
  facts.log.short_commits.add(describe(entry, *stated, there, k_replayed));
}

void take_unreadable(const delta::LogEntry& entry, LogFacts& log) {
  switch (entry.outcome.status) {
    case delta::StoreStatus::kCorrupt:
      return log.broken_entries.add(entry.outcome.message);
    case delta::StoreStatus::kMissing:
      return log.missing_entries.add(std::to_string(entry.version));
    default:
      return log.unread_entries.add(entry.outcome.message);
  }
}

}  // namespace

void take_log_entry(const delta::LogEntry& entry, TopicFacts& facts) {
  ++facts.log.entries;
  if (!entry.outcome.ok()) return take_unreadable(entry, facts.log);
  if (!entry.parameters.contains("bronzeToken")) {
    // A compaction adds what it removes.
    if (entry.files_removed > 0 && entry.operation != "OPTIMIZE") {
      facts.log.foreign_removals.add(
          fmt::format("{} at version {}", entry.operation, entry.version));
    }
    return;
  }
  EpochFacts* epoch = epoch_of(entry, facts);
  if (epoch == nullptr) return;
  if (entry.parameters.contains("bronzeRegisters")) return take_registration(entry, facts, *epoch);
  if (entry.parameters.contains(k_replayed)) return take_replay(entry, *epoch, facts);
  const RangeMap ranges = ranges_in(entry, "bronzeOffsets");
  for (const auto& [partition, range] : ranges) {
    add(range, epoch->partitions[partition].stated, facts);
  }
  for (const auto& [partition, range] : ranges_in(entry, "bronzeSkipped")) {
    add(range, epoch->partitions[partition].skipped, facts);
  }
  compare_rows(entry, ranges, *epoch, facts);
}

void read_log(delta::TableReader& table, const TellProgress& tell, TopicFacts& facts) {
  const auto versions = table.log_versions();
  facts.log.listed = versions.outcome;
  facts.log.checkpoint = versions.checkpoint;
  if (!versions.outcome.ok()) return;
  std::optional<std::uint64_t> expected;
  for (const auto& range : versions.entries) {
    for (auto version = expected.value_or(range.first); version < range.first; ++version) {
      const bool needed = !versions.checkpoint || version > *versions.checkpoint;
      (needed ? facts.log.needed_entries : facts.log.missing_entries).add(std::to_string(version));
    }
    expected = range.next;
    // What was written since the rows were read is not looked at.
    const std::uint64_t end = std::min(range.next, facts.table.version + 1);
    for (std::uint64_t first = range.first; first < end; first += k_entries_together) {
      const std::uint64_t next = std::min(first + k_entries_together, end);
      for (const auto& entry : table.log_entries({first, next})) take_log_entry(entry, facts);
      tell(fmt::format("{}: log read up to version {} of {}", facts.table.directory, next - 1,
                       facts.table.version));
    }
  }
}

}  // namespace bronze::commands
