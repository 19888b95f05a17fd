#include "ingest/resolve.h"

#include <fmt/format.h>

#include <string_view>

#include "ingest/app_id.h"
#include "ingest/epoch.h"
#include "ingest/take_over.h"

namespace bronze::ingest {
namespace {

constexpr std::string_view k_metadata_prefix = "bronze:";

std::string text(Offset offset) { return std::to_string(offset.value); }
std::string text(Partition partition) { return std::to_string(number(partition)); }

/// An offset that we committed means that a table knew the topic: this one lost its state.
std::optional<std::string> lost_state(const StartFacts& facts) {
  const std::string ours = commit_metadata(facts.table.shape.id);
  for (const auto& [partition, committed] : facts.group_offsets) {
    if (committed.metadata == ours) {
      return "by the offset " + text(committed.offset) + " that group " + facts.group +
             " committed for partition " + text(partition) +
             " this table held the progress of the topic, and now it knows nothing of it: somebody "
             "restored an older version or let transactions expire. Bring the newest version back; "
             "or, to go on after the rows that are there now, delete the group's offsets of this "
             "topic and set KAFKA_START";
    }
    if (names_a_table(committed.metadata)) {
      return "the offset " + text(committed.offset) + " that group " + facts.group +
             " committed for partition " + text(partition) + " belongs to another table (" +
             committed.metadata.substr(k_metadata_prefix.size()) + "; this one is " +
             facts.table.shape.id +
             ") and this table knows nothing of the topic: its state was lost. Restore the old "
             "table, or delete the group's offsets to begin anew";
    }
  }
  return std::nullopt;
}

/// What our own commits to the group say of a table.
std::string committed_by(const StartFacts& facts, const std::string& table_id) {
  std::string told;
  for (const auto& [partition, committed] : facts.group_offsets) {
    if (committed.metadata != commit_metadata(table_id)) continue;
    told += (told.empty() ? "offset " : ", ") + text(committed.offset) + " of partition " +
            text(partition);
  }
  return told.empty() ? "the offsets that the log of this service told last" : told;
}

/// `what` the table lacks, which it had.
std::string set_back(const StartFacts& facts, const std::string& what) {
  return "the table no longer " + what +
         ", which it did: somebody restored an older version or let transactions expire. Restore "
         "the newest version, which held everything before " +
         committed_by(facts, facts.table.shape.id) + ". Then restart";
}

/// A progress that this process or the group's offset knows of never becomes 0.
std::optional<std::string> lost_progress(const StartFacts& facts) {
  const std::string ours = commit_metadata(facts.table.shape.id);
  for (const Partition partition : facts.all_partitions) {
    const std::string app_id = partition_app_id(facts.group, facts.identity, partition);
    if (position_in(facts.table.txns, app_id)) continue;
    const auto committed = facts.group_offsets.find(partition);
    // Of a topic that was created again, the group's offset may be that of the old one.
    const bool told = committed != facts.group_offsets.end() &&
                      committed->second.metadata == ours && !epoch_start(facts);
    if (!told && !facts.known_app_ids.contains(app_id)) continue;
    return set_back(facts,
                    "holds the progress of partition " + text(partition) + " (txn " + app_id + ")");
  }
  return std::nullopt;
}

Resolution register_topic(const StartFacts& facts) {
  if (const auto lost = lost_state(facts)) return HaltTopic{*lost};
  return first_numbers(facts);
}

/// Why the dead-letter table cannot be written; nullopt = it can, or need not.
std::optional<HaltTopic> refuse_dead_letters(const StartFacts& facts) {
  if (!facts.dead_letters || facts.dead_letter_policy == DeadLetterPolicy::kNever) {
    return std::nullopt;
  }
  const delta::TableShape& shape = facts.dead_letters->shape;
  if (const auto refusal = refusal_of_dead_letters(shape)) {
    return HaltTopic{"the dead-letter table cannot be used: " + *refusal};
  }
  if (!facts.known_dead_letters_id || *facts.known_dead_letters_id == shape.id) {
    return std::nullopt;
  }
  return HaltTopic{"the dead-letter table was replaced while in use: its id was " +
                   *facts.known_dead_letters_id + " and is now " + shape.id +
                   ". Bring the old one back, or let the new one be. Then restart"};
}

/// Why the table's progress is where it is, and what does not count against it.
std::string reason_for(const StartFacts& facts, Partition partition, Offset progress) {
  const auto origin = facts.origins.find(partition);
  if (origin != facts.origins.end() && origin->second.offset == progress) {
    return origin->second.reason;
  }
  const auto committed = facts.group_offsets.find(partition);
  const bool ahead = committed != facts.group_offsets.end() &&
                     committed->second.offset > progress &&
                     !names_a_table(committed->second.metadata);
  if (!ahead) return "the table's progress";
  return "the table's progress; the group's offset " + text(committed->second.offset) +
         " is not ours, and the table has no rows of others: it does not count";
}

/// REQUIRES: gone is not empty.
std::string data_loss(const OffsetRange& gone) {
  const std::int64_t count = gone.next.value - gone.first.value;
  return fmt::format(
      "data loss: {} offsets are gone ({} to {}): Kafka keeps only those from {} on (retention or "
      "DeleteRecords), and they are not in the table",
      count, gone.first.value, gone.next.value - 1, gone.next.value);
}

PartitionHalt behind_the_end(const StartFacts& facts, Offset position, Offset end) {
  const bool has_id = facts.identity.text.find(':') == std::string::npos;
  return {
      fmt::format(
          "{}: the table holds everything before offset {}, but the partition ends at {}: Kafka "
          "lost offsets {} to {} or holds others in their place. No policy applies. If the "
          "brokers can get their log back, do that; otherwise move the table and its dead-letter "
          "table away and use another KAFKA_CONSUMER_GROUP, to read the topic from KAFKA_START "
          "into "
          "new ones",
          has_id ? "the log was truncated"
                 : "the log was truncated, or the topic was deleted and created again, which "
                   "brokers without topic ids do not tell",
          position.value, end.value, end.value, position.value - 1),
      true, position};
}

std::variant<PartitionStart, PartitionHalt> start_of(const StartFacts& facts, Partition partition) {
  const std::string app_id = partition_app_id(facts.group, facts.identity, partition);
  const auto position = position_in(facts.table.txns, app_id);
  const Offset start = position.value_or(Offset{0});
  const auto low = facts.earliest.find(partition);
  const auto high = facts.latest.find(partition);
  if (low == facts.earliest.end() || high == facts.latest.end()) {
    return PartitionHalt{"Kafka does not tell its offsets", true, start};
  }
  if (start > high->second) return behind_the_end(facts, start, high->second);
  PartitionStart begin{.offset = start, .reason = reason_for(facts, partition, start)};
  if (!position) {
    begin.progress = PartitionStart::Progress::kAbsent;
    begin.reason = "a partition added after the topic was registered";
  }
  if (start >= low->second) return begin;
  if (facts.policies.data_loss == OnDataLoss::kStop) {
    return PartitionHalt{data_loss({start, low->second}) + ". To go on at offset " +
                             text(low->second) +
                             " without them, set ON_DATA_LOSS=skip and restart; a longer retention "
                             "prevents it",
                         false, start};
  }
  begin.offset = low->second;
  begin.gap = OffsetRange{start, low->second};
  begin.reason = data_loss(*begin.gap) + "; ON_DATA_LOSS=skip";
  return begin;
}

}  // namespace

std::string commit_metadata(const std::string& table_id) {
  return std::string(k_metadata_prefix) + table_id;
}

bool names_a_table(const std::string& metadata) { return metadata.starts_with(k_metadata_prefix); }

Resolution resolve(const StartFacts& facts, const std::set<Partition>& assigned) {
  if (const auto refusal = refusal_of(facts.table.shape)) return HaltTopic{*refusal};
  if (const auto refusal = raw_value_refusal(facts.table.shape, facts.raw_value)) {
    return HaltTopic{*refusal};
  }
  if (auto refused = refuse_dead_letters(facts)) return std::move(*refused);
  if (facts.known_table_id && *facts.known_table_id != facts.table.shape.id) {
    return HaltTopic{"the table was replaced while in use: its id was " + *facts.known_table_id +
                     " and is now " + facts.table.shape.id +
                     ". Restore the old one, which holds everything before " +
                     committed_by(facts, *facts.known_table_id) +
                     "; or, to begin anew in the one that is there, delete the group's offsets of "
                     "this topic. Then restart"};
  }
  const std::string registry = registry_app_id(facts.group, facts.topic);
  const auto registered = position_in(facts.table.txns, registry);
  if (!registered) {
    if (facts.known_app_ids.contains(registry)) {
      return HaltTopic{set_back(facts, "knows the topic (txn " + registry + ")")};
    }
    return register_topic(facts);
  }
  if (!is_current_epoch(facts, *registered)) {
    return begin_epoch(facts, *registered, assigned);
  }
  if (const auto lost = lost_progress(facts)) return HaltTopic{*lost};
  if (auto numbers = numbers_after_others(facts)) return std::move(*numbers);
  StartDecisions decisions;
  for (const Partition partition : assigned) {
    decisions.partitions.emplace(partition, start_of(facts, partition));
  }
  return decisions;
}

}  // namespace bronze::ingest
