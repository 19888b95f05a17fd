#pragma once

#include <cstdint>
#include <string>

#include "delta/table_sink.h"

namespace bronze {

/// A table of which only the files matter: everything else succeeds and says nothing.
class SilentTable : public delta::TableSink {
 public:
  delta::StoreOutcome load() override { return {}; }
  delta::StoreOutcome refresh() override { return {}; }
  delta::StoreOutcome open() override { return load(); }
  delta::StoreOutcome look() override { return load(); }
  delta::StoreOutcome create(const delta::TableSpec& /*spec*/) override { return {}; }
  [[nodiscard]] const delta::SnapshotView& snapshot() const override { return view_; }
  delta::Lookup has_data_files() override { return {}; }
  delta::LastOffsets last_offsets(const OffsetMap& /*from*/) override { return {}; }
  delta::LastIngestion last_ingestion() override { return {}; }
  delta::Lookup log_entry_has_txn(std::uint64_t /*version*/,
                                  const std::string& /*prefix*/) override {
    return {};
  }
  delta::Lookup find_token(const std::string& /*token*/, std::uint64_t /*after*/) override {
    return {};
  }
  delta::StoreOutcome confirm() override { return {}; }
  delta::PutResult put(const delta::CommitRequest& /*request*/) override { return {}; }
  delta::OffsetsWithin offsets_within(const RangeMap& /*ranges*/, UnixMicros /*since*/) override {
    return {};
  }
  delta::StoreOutcome add_columns(const std::string& /*schema_json*/) override { return {}; }
  delta::StoreOutcome checkpoint() override { return {}; }

 private:
  delta::SnapshotView view_;
};

}  // namespace bronze
