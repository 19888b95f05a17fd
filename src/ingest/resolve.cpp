#include "ingest/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "batch/schema.h"
#include "ingest/app_id.h"
#include "ingest/epoch.h"
#include "ingest/take_over.h"

namespace bronze::ingest {
namespace {

constexpr std::string_view k_metadata_prefix = "bronze:";

std::string text(Offset offset) { return std::to_string(offset.value); }
std::string text(Partition partition) { return std::to_string(number(partition)); }

/// What a table's schema lacks or has too much; otherwise its extra columns.
using SchemaReading = std::variant<ExtraColumns, std::string>;

/// Comments on nested fields do not matter.
nlohmann::json plain_type(nlohmann::json type) {
  const auto fields = nlohmann::json::json_pointer("/elementType/fields");
  if (!type.is_object() || !type.contains(fields) || !type[fields].is_array()) return type;
  for (auto& field : type[fields]) {
    if (field.is_object()) field["metadata"] = nlohmann::json::object();
  }
  return type;
}

std::optional<std::string> not_nullable(const nlohmann::json& field) {
  if (field.value("nullable", nlohmann::json(true)) != nlohmann::json(false)) return std::nullopt;
  return "column " + field["name"].get<std::string>() + " must be nullable";
}

/// A rule about values that every writer has to check; also in a column's inner fields.
bool has_invariant(const nlohmann::json& field) {
  if (field.is_object() && field.contains("delta.invariants")) return true;
  return field.is_structured() && std::any_of(field.begin(), field.end(), has_invariant);
}

/// What a column asks of writers beyond its type.
std::optional<std::string> demand_of(const nlohmann::json& field) {
  if (auto difference = not_nullable(field)) return difference;
  if (!has_invariant(field)) return std::nullopt;
  return "column " + field["name"].get<std::string>() + " has an invariant, which is not supported";
}

/// REQUIRES: the first columns of `have`, before `begin`, are the six.
SchemaReading read_extra_columns(const nlohmann::json& have, std::size_t begin) {
  ExtraColumns found;
  const auto* next = k_extra_columns.begin();
  for (std::size_t i = begin; i < have.size(); ++i) {
    const auto name = have[i]["name"].get<std::string>();
    const auto is_named = [&](const ExtraColumn& column) { return column.name == name; };
    if (std::none_of(k_extra_columns.begin(), k_extra_columns.end(), is_named)) {
      return "it has the additional column " + name;
    }
    next = std::find_if(next, k_extra_columns.end(), is_named);
    if (next == k_extra_columns.end()) {
      constexpr ExtraColumns k_all{
          .topic = true, .key = true, .headers = true, .timestamp_type = true};
      return fmt::format("column {} is {}, but after the six columns the order is {}, each once",
                         i + 1, name, names_of(k_all));
    }
    const auto type = nlohmann::json::parse(batch::type_of(*next));
    if (plain_type(have[i]["type"]) != type) {
      return fmt::format("column {} should be {} {}", i + 1, name,
                         type.is_string() ? type.get<std::string>() : type.dump());
    }
    if (const auto demand = demand_of(have[i])) return *demand;
    found.*(next++)->member = true;
  }
  return found;
}

/// Names, types and order of the columns, and that each may be null.
SchemaReading read_schema(const std::string& schema_json) {
  const auto wanted = nlohmann::json::parse(batch::table_schema());
  const auto found = nlohmann::json::parse(schema_json, nullptr, false);
  const auto is_field = [](const nlohmann::json& field) {
    return field.is_object() && field.contains("name") && field["name"].is_string() &&
           field.contains("type");
  };
  if (found.is_discarded() || !found.is_object() || !found.contains("fields") ||
      !found["fields"].is_array() ||
      !std::all_of(found["fields"].begin(), found["fields"].end(), is_field)) {
    return "it cannot be read";
  }
  const auto& have = found["fields"];
  const auto& want = wanted["fields"];
  for (std::size_t i = 0; i < want.size(); ++i) {
    const auto name = want[i]["name"].get<std::string>();
    const auto type = want[i]["type"].get<std::string>();
    if (i >= have.size() || have[i]["name"] != name || have[i]["type"] != type) {
      return fmt::format("column {} should be {} {}", i + 1, name, type);
    }
    if (const auto demand = demand_of(have[i])) return *demand;
  }
  return read_extra_columns(have, want.size());
}

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

/// A protocol that asks more of a writer than adding files that hold what they say. That a table
/// may have invariants asks nothing; columns that do have one are refused by the schema.
std::optional<std::string> unknown_writer_feature(const delta::TableShape& shape) {
  constexpr int k_plain_writer = 2;
  constexpr int k_named_features = 7;
  if (shape.min_writer_version <= k_plain_writer) return std::nullopt;
  if (shape.min_writer_version != k_named_features) {
    return "set of protocol version " + std::to_string(shape.min_writer_version);
  }
  static const std::set<std::string> k_harmless{
      "appendOnly",   "deletionVectors", "domainMetadata",     "invariants",
      "timestampNtz", "v2Checkpoint",    "vacuumProtocolCheck"};
  for (const auto& feature : shape.writer_features) {
    if (!k_harmless.contains(feature)) return feature;
  }
  return std::nullopt;
}

Resolution register_topic(const StartFacts& facts) {
  if (const auto lost = lost_state(facts)) return HaltTopic{*lost};
  return first_numbers(facts);
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
          "brokers can get their log back, do that; otherwise move the table away and use another "
          "KAFKA_CONSUMER_GROUP, to read the topic from KAFKA_START into a new one",
          has_id ? "the log was truncated"
                 : "the log was truncated, or the topic was deleted and created again, which "
                   "brokers without topic ids do not tell",
          position.value, end.value, end.value, position.value - 1),
      true};
}

std::variant<PartitionStart, PartitionHalt> start_of(const StartFacts& facts, Partition partition) {
  const std::string app_id = partition_app_id(facts.group, facts.identity, partition);
  const auto position = position_in(facts.table.txns, app_id);
  const auto low = facts.earliest.find(partition);
  const auto high = facts.latest.find(partition);
  if (low == facts.earliest.end() || high == facts.latest.end()) {
    return PartitionHalt{"Kafka does not tell its offsets", true};
  }
  const Offset start = position.value_or(Offset{0});
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
                         "prevents it"};
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

std::optional<std::string> refusal_of(const delta::TableShape& shape) {
  const auto reading = read_schema(shape.schema_json);
  if (const auto* difference = std::get_if<std::string>(&reading)) {
    return "the table's schema is not that of a bronze table: " + *difference;
  }
  if (shape.partition_columns != std::vector<std::string>{batch::k_partition_column}) {
    return std::string("the table must be partitioned by ") + batch::k_partition_column + " alone";
  }
  if (shape.configuration.contains("delta.setTransactionRetentionDuration")) {
    return "the table sets delta.setTransactionRetentionDuration: its progress would expire and "
           "everything be written again. Unset that property";
  }
  if (const auto feature = unknown_writer_feature(shape)) {
    return "the table needs the writer feature " + *feature + ", which bronze does not support";
  }
  const auto mapping = shape.configuration.find("delta.columnMapping.mode");
  if (mapping != shape.configuration.end() && mapping->second != "none") {
    return "the table uses column mapping, which is not supported";
  }
  return std::nullopt;
}

ExtraColumns extra_columns_of(const delta::TableShape& shape) {
  return std::get<ExtraColumns>(read_schema(shape.schema_json));
}

Resolution resolve(const StartFacts& facts, const std::set<Partition>& assigned) {
  if (const auto refusal = refusal_of(facts.table.shape)) return HaltTopic{*refusal};
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
