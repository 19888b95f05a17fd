#include "delta/delta_store.h"

#include <stdexcept>

#include "bronze-bridge/src/lib.rs.h"
#include "delta/delta_sink.h"
#include "delta/delta_table_reader.h"

namespace bronze::delta {

namespace {

bridge::Codec to_bridge(ParquetCodec codec) {
  switch (codec) {
    case ParquetCodec::kZstd:
      return bridge::Codec::Zstd;
    case ParquetCodec::kSnappy:
      return bridge::Codec::Snappy;
    case ParquetCodec::kLz4:
      return bridge::Codec::Lz4;
    case ParquetCodec::kNone:
      return bridge::Codec::Uncompressed;
  }
  return bridge::Codec::Zstd;
}

/// `bronze:state:http://minio:9000:s3://bucket/`
std::string name_of(const StoreSettings& settings) {
  std::string name = "bronze:state:";
  for (const auto& [key, value] : settings.options) {
    if (key == "aws_endpoint") name += value + ":";
  }
  return name + settings.base_uri + "/";
}

}  // namespace

struct DeltaStore::Impl {
  rust::Box<bridge::Store> store;
  TableStates* states;
  /// Begins the names under which they are kept.
  std::string name;
};

DeltaStore::DeltaStore(const StoreSettings& settings, TableStates* states) {
  bridge::StoreOptions options;
  options.base_uri = settings.base_uri;
  for (const auto& [key, value] : settings.options) options.options.push_back({key, value});
  options.engine_info = settings.engine_info;
  options.connect_timeout_ms = static_cast<std::uint32_t>(settings.connect_timeout.count());
  options.request_timeout_ms = static_cast<std::uint32_t>(settings.request_timeout.count());
  options.codec = to_bridge(settings.compression.codec);
  options.zstd_level = settings.compression.level;
  impl_ = std::make_unique<Impl>(Impl{bridge::open_store(options), states, name_of(settings)});
}

DeltaStore::~DeltaStore() = default;

StoreOutcome DeltaStore::probe() const { return from_bridge(impl_->store->probe_put_if_absent()); }

StorePulse DeltaStore::pulse() const {
  const auto optional = [](std::int64_t ms) {
    return ms < 0 ? std::nullopt : std::optional(std::chrono::milliseconds(ms));
  };
  const auto pulse = impl_->store->pulse();
  return {.unanswered = optional(pulse.unanswered_ms),
          .last_answer = optional(pulse.last_answer_ms)};
}

std::vector<StoreNotice> DeltaStore::take_notices() const {
  using Renewal = StoreNotice::Renewal;
  std::vector<StoreNotice> notices;
  for (const auto& notice : impl_->store->take_notices()) {
    const bool failed = notice.renewal == bridge::Renewal::Failed;
    notices.push_back({.renewal = failed ? Renewal::kFailed : Renewal::kRenewed,
                       .text = std::string(notice.text)});
  }
  return notices;
}

std::unique_ptr<TableSink> DeltaStore::table(const std::string& directory) const {
  return std::make_unique<DeltaSink>(impl_->store->table(directory),
                                     KeptStates{impl_->states, impl_->name + directory});
}

std::unique_ptr<TableReader> DeltaStore::reader(const std::string& directory) const {
  return std::make_unique<DeltaTableReader>(impl_->store->table(directory));
}

TableTotals DeltaStore::totals(const std::string& directory) const {
  const auto table = impl_->store->table(directory);
  TableTotals totals{.outcome = from_bridge(table->load())};
  if (!totals.outcome.ok()) return totals;
  const auto added = table->totals();
  return {.outcome = from_bridge(added.outcome),
          .version = table->state().version,
          .files = added.files,
          .rows = added.rows,
          .bytes = added.bytes};
}

}  // namespace bronze::delta
