#include "delta/delta_sink.h"

#include <optional>
#include <utility>

namespace bronze::delta {
namespace {

constexpr const char* k_app_id_prefix = "bronze/";

StoreStatus from_bridge(bridge::Status status) {
  switch (status) {
    case bridge::Status::Ok:
      return StoreStatus::kOk;
    case bridge::Status::Missing:
      return StoreStatus::kMissing;
    case bridge::Status::Conflict:
      return StoreStatus::kConflict;
    case bridge::Status::Transient:
      return StoreStatus::kTransient;
    case bridge::Status::Denied:
      return StoreStatus::kDenied;
    case bridge::Status::Corrupt:
      return StoreStatus::kCorrupt;
    case bridge::Status::Unsupported:
      return StoreStatus::kUnsupported;
    case bridge::Status::Failed:
      return StoreStatus::kFailed;
  }
  return StoreStatus::kFailed;
}

template <typename Map>
rust::Vec<bridge::KeyValue> to_bridge(const Map& entries) {
  rust::Vec<bridge::KeyValue> list;
  for (const auto& [key, value] : entries) list.push_back({key, value});
  return list;
}

std::vector<std::string> strings(const rust::Vec<rust::String>& list) {
  std::vector<std::string> copy;
  for (const auto& text : list) copy.emplace_back(text);
  return copy;
}

TableShape shape_of(const bridge::TableState& state) {
  TableShape shape{.id = std::string(state.id),
                   .schema_json = std::string(state.schema_json),
                   .partition_columns = strings(state.partition_columns),
                   .configuration = {},
                   .min_reader_version = state.min_reader_version,
                   .min_writer_version = state.min_writer_version,
                   .reader_features = strings(state.reader_features),
                   .writer_features = strings(state.writer_features)};
  for (const auto& entry : state.configuration) {
    shape.configuration[std::string(entry.key)] = std::string(entry.value);
  }
  return shape;
}

}  // namespace

StoreOutcome from_bridge(const bridge::Outcome& outcome) {
  return {from_bridge(outcome.status), std::string(outcome.message)};
}

StoreOutcome read_snapshot(const bridge::Table& table, SnapshotView& view) {
  const auto list = table.txns(k_app_id_prefix);
  auto outcome = from_bridge(list.outcome);
  if (!outcome.ok()) return outcome;
  const auto state = table.state();
  view = {.version = state.version, .shape = shape_of(state), .txns = {}};
  for (const auto& txn : list.txns) view.txns[std::string(txn.app_id)] = txn.version;
  return outcome;
}

template <typename Rows>
std::uint64_t DeltaFile::append_rows(Rows rows) {
  misfit_ = misfit_ || rows.width() != file_->width();
  if (misfit_) return 0;
  ArrowArray array{};
  ArrowSchema schema{};
  std::move(rows).export_to(&array, &schema);
  return file_->append(&array, &schema);
}

std::uint64_t DeltaFile::append(batch::Columns columns) { return append_rows(std::move(columns)); }

std::uint64_t DeltaFile::append(batch::DeadLetterColumns columns) {
  return append_rows(std::move(columns));
}

FileResult DeltaFile::finish() {
  if (misfit_) {
    return {
        {StoreStatus::kConflict, "the table's columns changed since the batch began"}, "", 0, 0};
  }
  const auto result = file_->finish();
  auto outcome = from_bridge(result.outcome);
  if (result.rows_lost) {
    return {{StoreStatus::kConflict, "parts of a file are gone from the store: " + outcome.message},
            "",
            0,
            0};
  }
  // Nobody else has this name: the store was only busy with it.
  if (outcome.status == StoreStatus::kConflict) outcome.status = StoreStatus::kTransient;
  return {std::move(outcome), std::string(result.path), result.rows, result.bytes};
}

StoreOutcome DeltaFile::discard() { return from_bridge(file_->discard()); }

StoreOutcome DeltaSink::load() {
  auto outcome = from_bridge(table_->load());
  return outcome.ok() ? read_snapshot(*table_, snapshot_) : outcome;
}

StoreOutcome DeltaSink::refresh() {
  auto outcome = from_bridge(table_->refresh());
  return outcome.ok() ? read_snapshot(*table_, snapshot_) : outcome;
}

bool DeltaSink::recall() {
  if (kept_.states == nullptr) return false;
  const auto state = kept_.states->find(kept_.table);
  const bool hit = state && table_->believe(*state).status == bridge::Status::Ok;
  kept_.states->count(hit ? StateUse::kHit : StateUse::kMiss);
  return hit;
}

StoreOutcome DeltaSink::open() {
  return recall() ? read_snapshot(*table_, snapshot_) : load_and_keep();
}

StoreOutcome DeltaSink::look() {
  if (kept_.states == nullptr) return load();
  const bool cached = recall() || !snapshot_.shape.id.empty();
  return cached ? refresh() : load_and_keep();
}

StoreOutcome DeltaSink::load_and_keep() {
  auto outcome = load();
  if (outcome.ok()) keep_state();
  return outcome;
}

void DeltaSink::keep_state() {
  if (kept_.states == nullptr) return;
  const auto state = table_->vouched_state();
  if (!state.text.empty()) kept_.states->keep(kept_.table, std::string(state.text));
}

StoreOutcome DeltaSink::create(const TableSpec& spec) {
  bridge::TableSpec bridged;
  bridged.schema_json = spec.schema_json;
  for (const auto& column : spec.partition_columns) bridged.partition_columns.push_back(column);
  bridged.configuration = to_bridge(spec.configuration);
  bridged.vouches = kept_.states != nullptr;
  auto outcome = from_bridge(table_->create(bridged));
  if (outcome.ok()) outcome = read_snapshot(*table_, snapshot_);
  if (outcome.ok()) keep_state();
  return outcome;
}

Lookup DeltaSink::has_data_files() {
  const auto lookup = table_->has_data_files();
  return {from_bridge(lookup.outcome), lookup.found, 0};
}

LastOffsets DeltaSink::last_offsets(const OffsetMap& from) {
  std::vector<bridge::PartitionOffset> bridged;
  bridged.reserve(from.size());
  for (const auto& [partition, offset] : from) bridged.push_back({number(partition), offset.value});
  const auto found = table_->last_offsets({bridged.data(), bridged.size()});
  LastOffsets last{from_bridge(found.outcome), {}};
  for (const auto& entry : found.offsets) {
    last.offsets[Partition{entry.partition}] = Offset{entry.offset};
  }
  return last;
}

LastIngestion DeltaSink::last_ingestion() {
  const auto found = table_->last_ingestion();
  return {from_bridge(found.outcome), found.found ? std::optional(found.micros) : std::nullopt};
}

OffsetsWithin DeltaSink::offsets_within(const RangeMap& ranges, UnixMicros since) {
  std::vector<bridge::PartitionRange> bridged;
  bridged.reserve(ranges.size());
  for (const auto& [partition, range] : ranges) {
    bridged.push_back({number(partition), range.first.value, range.next.value});
  }
  const auto found = table_->offsets_within({bridged.data(), bridged.size()}, since);
  OffsetsWithin within{from_bridge(found.outcome), {}};
  within.runs.reserve(found.runs.size());
  for (const auto& run : found.runs) {
    within.runs.emplace_back(Partition{run.partition},
                             OffsetRange{Offset{run.first}, Offset{run.next}});
  }
  return within;
}

Lookup DeltaSink::log_entry_has_txn(std::uint64_t version, const std::string& prefix) {
  const auto lookup = table_->log_entry_has_txn(version, prefix);
  return {from_bridge(lookup.outcome), lookup.found, version};
}

Lookup DeltaSink::find_token(const std::string& token, std::uint64_t after) {
  const auto lookup = table_->find_token(token, after);
  return {from_bridge(lookup.outcome), lookup.found, lookup.version};
}

StoreOutcome DeltaSink::confirm() { return from_bridge(table_->confirm()); }

PutResult DeltaSink::put(const CommitRequest& request) {
  bridge::CommitRequest bridged;
  for (const auto& [app_id, version] : request.txns) bridged.txns.push_back({app_id, version});
  bridged.parameters = to_bridge(request.parameters);
  bridge::VouchedState state;
  if (kept_.states != nullptr) {
    state = table_->state_after({bridged.txns.data(), bridged.txns.size()});
    if (!state.text.empty()) bridged.parameters.push_back(state.parameter);
  }
  auto files = bridge::new_file_set();
  for (const FileSink* file : request.files) {
    // Files come from open_file of this table: they are DeltaFiles.
    files->add(static_cast<const DeltaFile*>(file)->handle());
  }
  const auto result = table_->put(bridged, *files);
  PutResult answer{from_bridge(result.outcome), result.version};
  if (answer.outcome.ok()) {
    snapshot_.version = answer.version;
    for (const auto& [app_id, version] : request.txns) snapshot_.txns[app_id] = version;
    if (!state.text.empty()) kept_.states->keep(kept_.table, std::string(state.text));
  }
  return answer;
}

StoreOutcome DeltaSink::add_columns(const std::string& schema_json) {
  auto outcome = from_bridge(table_->add_columns(schema_json));
  return outcome.ok() ? read_snapshot(*table_, snapshot_) : outcome;
}

StoreOutcome DeltaSink::checkpoint() { return from_bridge(table_->checkpoint()); }

std::unique_ptr<FileSink> DeltaSink::open_file(const std::string& date) {
  return std::make_unique<DeltaFile>(table_->open_file(date));
}

}  // namespace bronze::delta
