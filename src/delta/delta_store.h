#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/parquet_compression.h"
#include "base/store_pulse.h"
#include "delta/table_reader.h"
#include "delta/table_sink.h"
#include "delta/table_states.h"
#include "delta/table_totals.h"

namespace bronze::delta {

struct StoreSettings {
  /// `s3://bucket[/prefix]` or `file:///absolute/path`, no trailing slash.
  std::string base_uri;
  /// See bridge::StoreOptions.
  std::vector<std::pair<std::string, std::string>> options;
  /// commitInfo.engineInfo
  std::string engine_info;
  std::chrono::milliseconds connect_timeout{};
  /// For one request, its body included.
  std::chrono::milliseconds request_timeout{};
  ParquetCompression compression{};
};

/// What happened to the store's credentials, for the log.
struct StoreNotice {
  /// There are new ones, or the old ones are used on.
  enum class Renewal { kRenewed, kFailed } renewal;
  std::string text;
};

/// The object store below DELTA_BASE_PATH. Owned by the app; outlives its tables. Any thread.
class DeltaStore {
 public:
  /// Reads nothing but files of certificates and profiles. Throws std::runtime_error when the store
  /// library refuses a setting. `states` keeps those of the store's tables and outlives it; nullptr
  /// = nobody does.
  explicit DeltaStore(const StoreSettings& settings, TableStates* states = nullptr);
  ~DeltaStore();
  DeltaStore(const DeltaStore&) = delete;
  DeltaStore& operator=(const DeltaStore&) = delete;

  /// Whether of two racing creates exactly one wins. kUnsupported: the store lies about it, and
  /// no table in it would be safe.
  [[nodiscard]] StoreOutcome probe() const;

  /// No I/O.
  [[nodiscard]] StorePulse pulse() const;

  /// Since the last call. No I/O.
  [[nodiscard]] std::vector<StoreNotice> take_notices() const;

  /// A handle on `{base}/{directory}/`; no I/O.
  [[nodiscard]] std::unique_ptr<TableSink> table(const std::string& directory) const;

  /// The same for a table that is only looked at.
  [[nodiscard]] std::unique_ptr<TableReader> reader(const std::string& directory) const;

  /// Reads the latest snapshot of `{base}/{directory}/` from the store and adds it up. kMissing:
  /// there is no table. kUnsupported: a file does not say how many rows it has.
  [[nodiscard]] TableTotals totals(const std::string& directory) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bronze::delta
