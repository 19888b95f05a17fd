#include "delta/delta_table_reader.h"

#include <utility>

namespace bronze::delta {
namespace {

std::optional<std::uint64_t> told(std::int64_t number) {
  return number < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(number));
}

FileFacts facts_of(const bridge::FileFacts& file) {
  return {.path = std::string(file.path),
          .outcome = from_bridge(file.outcome),
          .stated_bytes = told(file.stated_bytes),
          .stored_bytes = told(file.stored_bytes),
          .stated_rows = told(file.stated_rows),
          .stored_rows = told(file.stored_rows),
          .live_rows = file.live_rows,
          .rows_without_offset = file.rows_without_offset,
          .rows_of_no_record = file.rows_of_no_record};
}

LogEntry entry_of(const bridge::LogEntry& bridged) {
  LogEntry entry{.version = bridged.version,
                 .outcome = from_bridge(bridged.outcome),
                 .operation = std::string(bridged.operation),
                 .timestamp_ms = bridged.timestamp_ms,
                 .parameters = {},
                 .txns = {},
                 .files_added = bridged.files_added,
                 .files_removed = bridged.files_removed};
  for (const auto& parameter : bridged.parameters) {
    entry.parameters[std::string(parameter.key)] = std::string(parameter.value);
  }
  for (const auto& txn : bridged.txns) entry.txns[std::string(txn.app_id)] = txn.version;
  return entry;
}

std::string bytes_of(const rust::Vec<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

DeadLetter letter_of(const bridge::DeadLetter& bridged) {
  DeadLetter letter{.partition = Partition{bridged.partition},
                    .offset = Offset{bridged.offset},
                    .ingested_at = bridged.ingested_us,
                    .error_type = std::string(bridged.error_type),
                    .bytes = std::nullopt,
                    .text = std::string(bridged.text),
                    .kafka_timestamp = std::nullopt,
                    .key = std::nullopt,
                    .headers = {}};
  if (bridged.has_bytes) letter.bytes = bytes_of(bridged.bytes);
  if (bridged.has_timestamp) letter.kafka_timestamp = bridged.timestamp_us;
  if (bridged.has_key) letter.key = bytes_of(bridged.key);
  for (const auto& header : bridged.headers) {
    auto& added = letter.headers.emplace_back();
    added.key = std::string(header.key);
    if (header.has_value) added.value = bytes_of(header.value);
  }
  return letter;
}

}  // namespace

LetterPart DeltaLetterScan::advance() {
  const auto bridged = scan_->advance();
  LetterPart part{.outcome = from_bridge(bridged.outcome),
                  .done = bridged.done,
                  .rows_read = bridged.rows_read,
                  .letters = {}};
  part.letters.reserve(bridged.letters.size());
  for (const auto& letter : bridged.letters) part.letters.push_back(letter_of(letter));
  return part;
}

RowPart DeltaRowScan::advance() {
  const auto bridged = scan_->advance();
  RowPart part{
      .outcome = from_bridge(bridged.outcome), .done = bridged.done, .runs = {}, .files = {}};
  part.runs.reserve(bridged.runs.size());
  for (const auto& run : bridged.runs) {
    part.runs.push_back({.partition = Partition{run.partition},
                         .epoch = run.epoch,
                         .range = {Offset{run.first}, Offset{run.next}}});
  }
  for (const auto& file : bridged.files) part.files.push_back(facts_of(file));
  return part;
}

StoreOutcome DeltaTableReader::load() {
  auto outcome = from_bridge(table_->load());
  return outcome.ok() ? read_snapshot(*table_, snapshot_) : outcome;
}

std::unique_ptr<RowScan> DeltaTableReader::scan_rows(const RowQuery& query) {
  std::vector<bridge::PartitionRange> within;
  for (const auto& [partition, range] : query.within) {
    within.push_back({number(partition), range.first.value, range.next.value});
  }
  return std::make_unique<DeltaRowScan>(table_->scan_rows(
      {query.epochs.data(), query.epochs.size()}, query.topic, {within.data(), within.size()}));
}

std::unique_ptr<LetterScan> DeltaTableReader::scan_letters(const LetterQuery& query) {
  bridge::LetterQuery bridged;
  bridged.topic = query.topic;
  for (const auto& type : query.error_types) bridged.error_types.push_back(type);
  bridged.partition = query.partition ? number(*query.partition) : -1;
  bridged.first = query.offsets.first.value;
  bridged.next = query.offsets.next.value;
  bridged.since_us = query.since;
  bridged.until_us = query.until;
  return std::make_unique<DeltaLetterScan>(table_->scan_letters(bridged));
}

LogVersions DeltaTableReader::log_versions() {
  const auto bridged = table_->log_versions();
  LogVersions versions{.outcome = from_bridge(bridged.outcome),
                       .entries = {},
                       .checkpoint = told(bridged.checkpoint)};
  for (const auto& range : bridged.entries) versions.entries.push_back({range.first, range.next});
  return versions;
}

std::vector<LogEntry> DeltaTableReader::log_entries(VersionRange versions) {
  const auto bridged = table_->log_entries(versions.first, versions.next);
  std::vector<LogEntry> entries;
  entries.reserve(bridged.entries.size());
  for (const auto& entry : bridged.entries) entries.push_back(entry_of(entry));
  return entries;
}

}  // namespace bronze::delta
