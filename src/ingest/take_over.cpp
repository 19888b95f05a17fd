#include "ingest/take_over.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "ingest/app_id.h"

namespace bronze::ingest {
namespace {

std::string text(Offset offset) { return std::to_string(offset.value); }
std::string text(Partition partition) { return std::to_string(number(partition)); }

template <typename Map>
auto find(const Map& map, Partition partition) {
  const auto found = map.find(partition);
  return found == map.end() ? std::nullopt : std::optional(found->second);
}

std::string named(const std::vector<Partition>& partitions) {
  std::string names = partitions.size() == 1 ? "partition " : "partitions ";
  for (const Partition partition : partitions) {
    names += (partition == partitions.front() ? "" : ", ") + text(partition);
  }
  return names;
}

std::optional<Offset> after_rows(const StartFacts& facts, Partition partition) {
  const auto last = find(facts.last_offsets, partition);
  return last ? std::optional(last->following()) : std::nullopt;
}

/// What somebody else committed in our group; neither ours nor that of another table of ours.
std::optional<Offset> foreign_offset(const StartFacts& facts, Partition partition) {
  const auto committed = find(facts.group_offsets, partition);
  if (!committed || names_a_table(committed->metadata)) return std::nullopt;
  return committed->offset;
}

std::optional<Offset> progress_of(const StartFacts& facts, Partition partition) {
  return position_in(facts.table.txns, partition_app_id(facts.group, facts.identity, partition));
}

/// Partitions of the topic, and those that only the table knows.
std::set<Partition> all_partitions(const StartFacts& facts) {
  std::set<Partition> all(facts.all_partitions.begin(), facts.all_partitions.end());
  for (const auto& [partition, offset] : facts.last_offsets) all.insert(partition);
  return all;
}

/// A partition of another topic of this name, whose offsets are in the table too, under any group;
/// `bronze/{group}/{identity}/{partition}`.
bool holds_another_topic(const StartFacts& facts) {
  const std::string ours = partition_app_id("", facts.identity, Partition{0});
  const std::string identity = ours.substr(ours.find("//") + 2, ours.rfind('/') - 8);
  return std::any_of(facts.table.txns.begin(), facts.table.txns.end(), [&](const auto& txn) {
    const std::string& app_id = txn.first;
    if (std::count(app_id.begin(), app_id.end(), '/') != 3) return false;
    const auto group_end = app_id.find('/', app_id.find('/') + 1);
    return app_id.substr(group_end + 1, app_id.rfind('/') - group_end - 1) != identity;
  });
}

Origin origin_in_kafka_start(const StartFacts& facts, Partition partition, Offset policy) {
  const auto committed = find(facts.group_offsets, partition);
  std::string reason = "KAFKA_START";
  if (committed && committed->offset != policy) {
    reason += "; the table has no rows, so the group's offset " + text(committed->offset) +
              " does not count";
  }
  return {policy, reason};
}

/// nullopt: it cannot be told.
std::optional<Origin> origin_in_take_over(const StartFacts& facts, Partition partition) {
  const auto rows = after_rows(facts, partition);
  const auto committed = find(facts.group_offsets, partition);
  const auto policy = find(facts.policy, partition);
  const Origin from_rows{rows.value_or(Offset{}), "take-over: table's last offset + 1"};
  if (committed) {
    if (rows && *rows > committed->offset) return from_rows;
    return Origin{committed->offset, "take-over: group offset"};
  }
  if (rows && facts.start_source != StartSource::kExplicit) return std::nullopt;
  if (rows && *rows >= policy.value_or(Offset{})) return from_rows;
  if (!policy) return std::nullopt;
  return Origin{*policy, "take-over: KAFKA_START"};
}

HaltTopic rows_without_group_offset(const StartFacts& facts,
                                    const std::vector<Partition>& partitions) {
  return HaltTopic{
      "the table has rows of " + named(partitions) +
      " that were not written under consumer group " + facts.group +
      " by bronze, and the group has no committed offset for them: where to go on cannot be told. "
      "Set KAFKA_CONSUMER_GROUP to the group that wrote them; or set KAFKA_START, and reading "
      "begins there, but never before the table's last offset + 1"};
}

/// What nobody can have read from this topic must not become our progress: it cannot go back, and
/// once Kafka has got there, all before it would be passed over in silence.
std::optional<HaltTopic> beyond_kafka(const StartFacts& facts, Partition partition, Offset offset) {
  const auto latest = find(facts.latest, partition);
  if (latest && offset <= *latest) return std::nullopt;
  return HaltTopic{"rows of another program in the table, or what it committed, reach to offset " +
                   text(offset) + " of partition " + text(partition) + ", but Kafka ends " +
                   (latest ? "at " + text(*latest) : "somewhere else") +
                   ": they cannot come from this topic, or its log was truncated. Delete those "
                   "rows, or the group's offset, then restart"};
}

/// Rows behind our progress of which nothing shows that who appended them copied what Kafka holds
/// before them too.
HaltTopic rows_of_nobody(const StartFacts& facts, const RegisterTopic& unproven) {
  std::string set;
  for (const auto& [partition, origin] : unproven.origins) {
    set += (set.empty() ? "" : ", ") + text(origin.offset) + " for partition " + text(partition);
  }
  return HaltTopic{
      "somebody appended rows behind our progress, though no other program has committed an offset "
      "behind it in consumer group " +
      facts.group + ": " + unproven.others +
      " would pass over whatever was not copied. Delete those rows; or, if all before them was "
      "copied, set the group's offset to " +
      set + ". Then restart"};
}

/// REQUIRES: the table has data files. Partitions that Kafka does not tell of yet, and offsets that
/// KAFKA_START says, may lie where they lie.
std::optional<HaltTopic> beyond_kafka(const StartFacts& facts, const RegisterTopic& numbers) {
  for (const auto& [partition, origin] : numbers.origins) {
    if (!facts.latest.contains(partition)) continue;
    if (find(facts.policy, partition) == origin.offset) continue;
    if (auto beyond = beyond_kafka(facts, partition, origin.offset)) return beyond;
  }
  return std::nullopt;
}

}  // namespace

Resolution first_numbers(const StartFacts& facts) {
  if (facts.table_has_data_files && holds_another_topic(facts)) {
    return HaltTopic{
        "the table holds rows of another topic of this name, which was deleted: its offsets say "
        "nothing about this one. Move the table away"};
  }
  RegisterTopic registration;
  registration.steps.push_back(
      {registry_app_id(facts.group, facts.topic), std::nullopt, facts.identity.number});
  std::vector<Partition> unclear;
  for (const Partition partition : all_partitions(facts)) {
    const auto policy = find(facts.policy, partition);
    std::optional<Origin> origin;
    if (facts.table_has_data_files) {
      origin = origin_in_take_over(facts, partition);
    } else if (policy) {
      origin = origin_in_kafka_start(facts, partition, *policy);
    }
    if (!origin && !after_rows(facts, partition)) {
      return HaltTopic{"Kafka does not tell the offsets of partition " + text(partition)};
    }
    if (!origin) {
      unclear.push_back(partition);
      continue;
    }
    registration.steps.push_back({partition_app_id(facts.group, facts.identity, partition),
                                  std::nullopt, origin->offset.value});
    registration.origins.emplace(partition, *origin);
  }
  if (!unclear.empty()) return rows_without_group_offset(facts, unclear);
  if (facts.table_has_data_files) {
    if (auto beyond = beyond_kafka(facts, registration)) return std::move(*beyond);
  }
  return registration;
}

std::optional<Resolution> numbers_after_others(const StartFacts& facts) {
  if (holds_another_topic(facts)) {
    // Rows of the other topic may bear greater offsets: they prove nothing.
    if (!others_moved_the_group(facts) || facts.newest_entry_is_ours) return std::nullopt;
    return HaltTopic{
        "another program moved the offsets of consumer group " + facts.group +
        ", and the table holds rows of an older topic of this name: whether it also wrote rows "
        "cannot be told. If it did not, delete the group's offsets of this topic; otherwise move "
        "the table away"};
  }
  RegisterTopic numbers;
  RegisterTopic unproven;
  for (const Partition partition : all_partitions(facts)) {
    const auto progress = progress_of(facts, partition);
    const Offset before = progress.value_or(Offset{});
    const Offset next = after_rows(facts, partition).value_or(Offset{});
    if (next <= before) continue;
    const auto committed = foreign_offset(facts, partition);
    RegisterTopic& found = committed > before ? numbers : unproven;
    found.steps.push_back({partition_app_id(facts.group, facts.identity, partition),
                           progress ? std::optional(before.value) : std::nullopt, next.value});
    found.origins.emplace(partition, Origin{next, "take-over: table's last offset + 1"});
    found.others += (found.others.empty() ? "" : "; ") + ("partition " + text(partition)) +
                    ": our progress is " + text(before) + ", the rows in the table end before " +
                    text(next) + ", the group's offset is " +
                    (committed ? text(*committed) : "ours") + ": going on at " + text(next);
  }
  if (!unproven.origins.empty()) return rows_of_nobody(facts, unproven);
  if (numbers.origins.empty()) return std::nullopt;
  for (const auto& [partition, origin] : numbers.origins) {
    if (auto beyond = beyond_kafka(facts, partition, origin.offset)) return std::move(*beyond);
  }
  return numbers;
}

bool others_moved_the_group(const StartFacts& facts) {
  return std::any_of(
      facts.group_offsets.begin(), facts.group_offsets.end(), [&](const auto& entry) {
        const auto committed = foreign_offset(facts, entry.first);
        return committed && *committed > progress_of(facts, entry.first).value_or(Offset{});
      });
}

OffsetMap offsets_that_matter(const StartFacts& facts) {
  OffsetMap from;
  if (position_in(facts.table.txns, registry_app_id(facts.group, facts.topic))) {
    for (const Partition partition : facts.all_partitions) {
      from[partition] = progress_of(facts, partition).value_or(Offset{});
    }
  } else {
    for (const auto& [partition, committed] : facts.group_offsets) {
      from[partition] = committed.offset;
    }
  }
  return from;
}

}  // namespace bronze::ingest
