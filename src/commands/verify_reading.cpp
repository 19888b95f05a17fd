#include "commands/verify_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "commands/verify_log.h"
#include "ingest/app_id.h"

namespace bronze::commands {
namespace {

using delta::StoreStatus;

struct PartitionTxn {
  std::string identity;
  Partition partition{};
  enum class Of { kProgress, kReplayed } of = Of::kProgress;
};

/// `{identity}/{partition}`, or that with `/replayed`.
std::optional<PartitionTxn> partition_txn(std::string_view rest) {
  auto of = PartitionTxn::Of::kProgress;
  if (rest.ends_with(ingest::k_replayed_suffix)) {
    of = PartitionTxn::Of::kReplayed;
    rest.remove_suffix(ingest::k_replayed_suffix.size());
  }
  const auto slash = rest.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  std::int32_t partition = 0;
  const char* end = rest.data() + rest.size();
  const auto parsed = std::from_chars(rest.data() + slash + 1, end, partition);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return PartitionTxn{std::string(rest.substr(0, slash)), Partition{partition}, of};
}

/// When a topic identity took the place of another one; nullopt = it did not.
std::optional<UnixMicros> epoch_start(const delta::TxnMap& txns, const std::string& registry,
                                      const std::string& identity) {
  const auto found = txns.find(registry + "/" + identity + "/since");
  return found == txns.end() ? std::nullopt : std::optional(UnixMicros{found->second});
}

/// Groups other than ours that have registered the topic.
std::vector<std::string> other_groups(const delta::TxnMap& txns, const TopicFacts& facts) {
  constexpr std::string_view k_prefix = "bronze/";
  const std::string ours = ingest::group_prefix(facts.group);
  const std::string suffix = "/" + ingest::percent_encode(facts.topic);
  std::vector<std::string> groups;
  for (const auto& [app_id, version] : txns) {
    if (!app_id.starts_with(k_prefix) || app_id.starts_with(ours)) continue;
    const std::string rest = app_id.substr(k_prefix.size());
    if (!rest.ends_with(suffix)) continue;
    const std::string group = rest.substr(0, rest.size() - suffix.size());
    if (group.find('/') == std::string::npos) groups.push_back(group);
  }
  return groups;
}

void take_file(const delta::FileFacts& file, TableFacts& table) {
  ++table.files;
  table.rows += file.live_rows;
  table.bytes += file.stored_bytes.value_or(0);
  table.rows_without_offset += file.rows_without_offset;
  table.rows_of_no_record += file.rows_of_no_record;
  const auto differ = [](const auto& one, const auto& other) {
    return one && other && *one != *other;
  };
  if (differ(file.stated_bytes, file.stored_bytes)) {
    table.files_of_other_size.add(fmt::format("{}: {} bytes, the log says {}", file.path,
                                              *file.stored_bytes, *file.stated_bytes));
  }
  if (differ(file.stated_rows, file.stored_rows)) {
    table.files_of_other_row_count.add(fmt::format("{}: {} rows, the log says {}", file.path,
                                                   *file.stored_rows, *file.stated_rows));
  }
  if (file.outcome.ok()) return;
  if (file.outcome.status == StoreStatus::kMissing) {
    table.missing_files.add(file.path);
  } else if (file.outcome.status == StoreStatus::kCorrupt) {
    table.broken_files.add(file.outcome.message);
  } else {
    table.unread_files.add(file.outcome.message);
  }
}

enum class Kind { kRows, kDeadLetters };

class RowReader {
 public:
  RowReader(const TellProgress& tell, TopicFacts& facts) : tell_(tell), facts_(facts) {}

  void read(delta::TableReader& table, Kind kind) {
    TableFacts& about = kind == Kind::kRows ? facts_.table : facts_.dead_letters;
    about.version = table.snapshot().version;
    about.id = table.snapshot().shape.id;
    about.unreadable = why_unreadable(table.snapshot().shape);
    if (!about.unreadable.empty()) return;
    delta::RowQuery query;
    for (std::size_t i = 1; i < facts_.epochs.size(); ++i) {
      query.epochs.push_back(facts_.epochs[i].since);
    }
    // Topics whose names differ in '-' and '_' only have one dead-letter table.
    if (kind == Kind::kDeadLetters) query.topic = facts_.topic;
    const auto scan = table.scan_rows(query);
    for (delta::RowPart part; !part.done && !about.out_of_memory;) {
      part = scan->advance();
      if (!part.outcome.ok()) about.listed = part.outcome;
      for (const auto& run : part.runs) take(run, kind);
      for (const auto& file : part.files) take_file(file, about);
      about.out_of_memory = facts_.offsets_bytes > facts_.offsets_bytes_max;
      tell_(fmt::format("{}: {} files, {} rows read", about.directory, about.files, about.rows));
    }
  }

 private:
  void take(const delta::OffsetRun& run, Kind kind) {
    auto& epoch = facts_.epochs[std::min<std::size_t>(run.epoch, facts_.epochs.size() - 1)];
    auto& facts = epoch.partitions[run.partition];
    const std::uint64_t count = length(run.range);
    const auto bytes = [&facts] {
      return facts.rows.bytes() + facts.dead.bytes() + facts.repeated.bytes() +
             facts.repeated_dead.bytes() + facts.both.bytes();
    };
    const std::uint64_t before = bytes();
    if (kind == Kind::kRows) {
      facts.row_count += count;
      facts.rows.add(run.range, &facts.repeated);
      add_common(run.range, facts.dead, facts.both);
    } else {
      facts.dead_count += count;
      facts.dead.add(run.range, &facts.repeated_dead);
      add_common(run.range, facts.rows, facts.both);
    }
    facts_.offsets_bytes += bytes() - before;
  }

  const TellProgress& tell_;
  TopicFacts& facts_;
};

}  // namespace

std::string why_unreadable(const delta::TableShape& shape) {
  const auto mapping = shape.configuration.find("delta.columnMapping.mode");
  if (mapping != shape.configuration.end() && mapping->second != "none") {
    return "it uses column mapping, which is not read here";
  }
  const auto schema = nlohmann::json::parse(shape.schema_json, nullptr, false);
  for (const char* column : {"_kafka_partition", "_kafka_offset"}) {
    const auto& parts = shape.partition_columns;
    if (std::find(parts.begin(), parts.end(), column) != parts.end()) {
      return fmt::format("it is partitioned by {}, which is not read here", column);
    }
    bool found = false;
    if (schema.is_object() && schema.contains("fields") && schema["fields"].is_array()) {
      for (const auto& field : schema["fields"]) found = found || field.value("name", "") == column;
    }
    if (!found) return fmt::format("it has no column {}", column);
  }
  return "";
}

void read_txns(const delta::TxnMap& txns, TopicFacts& facts) {
  const std::string prefix = ingest::group_prefix(facts.group);
  const std::string registry = ingest::registry_app_id(facts.group, facts.topic);
  std::map<std::string, std::map<Partition, Offset>> progress;
  std::map<std::string, std::map<Partition, std::int64_t>> replayed;
  for (auto txn = txns.lower_bound(prefix); txn != txns.end() && txn->first.starts_with(prefix);
       ++txn) {
    const auto parsed = partition_txn(std::string_view(txn->first).substr(prefix.size()));
    if (!parsed) continue;
    if (parsed->of == PartitionTxn::Of::kReplayed) {
      replayed[parsed->identity][parsed->partition] = txn->second;
    } else {
      progress[parsed->identity][parsed->partition] = Offset{txn->second};
    }
  }
  facts.registered = txns.contains(registry);
  facts.other_groups = other_groups(txns, facts);
  facts.epochs.clear();
  for (const auto& [identity, offsets] : progress) {
    EpochFacts epoch;
    epoch.identity = identity;
    epoch.since = epoch_start(txns, registry, identity).value_or(0);
    for (const auto& [partition, next] : offsets) epoch.partitions[partition].progress = next;
    for (const auto& [partition, rows] : replayed[identity]) {
      epoch.partitions[partition].replayed =
          static_cast<std::uint64_t>(std::max<std::int64_t>(rows, 0));
    }
    facts.epochs.push_back(std::move(epoch));
  }
  if (facts.epochs.empty()) facts.epochs.emplace_back();
  std::sort(facts.epochs.begin(), facts.epochs.end(),
            [](const auto& one, const auto& other) { return one.since < other.since; });
  // Only the table's first topic has no start.
  while (facts.epochs.size() > 1 && facts.epochs[1].since == 0) {
    facts.merged_identities.push_back(facts.epochs[1].identity);
    facts.epochs.erase(facts.epochs.begin() + 1);
  }
}

void read_dead_letter_txns(const delta::TxnMap& txns, TopicFacts& facts) {
  const std::string prefix = ingest::group_prefix(facts.group);
  for (EpochFacts& epoch : facts.epochs) {
    for (auto& [partition, of] : epoch.partitions) {
      const auto txn = txns.find(prefix + epoch.identity + "/" + std::to_string(number(partition)));
      if (txn != txns.end()) of.dead_progress = Offset{txn->second};
    }
  }
}

void read_tables(delta::TableReader& table, delta::TableReader& dead_letters,
                 const ReadingLimits& limits, const TellProgress& tell, TopicFacts& facts) {
  facts.epochs.emplace_back();
  facts.table.loaded = table.load();
  if (!facts.table.loaded.ok()) return;
  read_txns(table.snapshot().txns, facts);
  facts.dead_letters.loaded = dead_letters.load();
  facts.offsets_bytes_max = limits.offsets_bytes_max;
  RowReader rows(tell, facts);
  rows.read(table, Kind::kRows);
  if (facts.dead_letters.loaded.ok()) {
    read_dead_letter_txns(dead_letters.snapshot().txns, facts);
    rows.read(dead_letters, Kind::kDeadLetters);
  }
  read_log(table, tell, facts);
}

}  // namespace bronze::commands
