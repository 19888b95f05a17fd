#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/sabotage.h"
#include "batch/schema.h"
#include "delta/table_sink.h"
#include "fakes/kept_states.h"

namespace bronze::fakes {

struct StoredRow {
  Partition partition{};
  Offset offset;
  std::optional<std::string> value;
  UnixMicros ingested_at = 0;
  std::string date;
  /// Of dead letters.
  std::string error_type = {};
};

struct StoredCommit {
  delta::TxnMap txns;
  std::string token;
  std::vector<StoredRow> rows;
  /// Which writer sent it.
  int writer = 0;
  std::map<std::string, std::string> parameters = {};
  /// What the writer says that the table is after it.
  std::optional<KeptState> vouches_for = {};
};

/// A Delta log with put-if-absent. Version N is commits[N]; version 0 creates the table.
struct StoredTable {
  std::string id;
  std::vector<StoredCommit> commits;
  /// Sent, never answered, and still on their way: (version, commit).
  std::vector<std::pair<std::uint64_t, StoredCommit>> late;
  std::map<std::string, std::string> configuration = {};
  std::string schema_json = batch::table_schema();
  std::vector<std::string> partition_columns = {batch::k_partition_column};

  [[nodiscard]] delta::TxnMap txns() const {
    delta::TxnMap txns;
    for (const auto& commit : commits) {
      for (const auto& [app_id, version] : commit.txns) txns[app_id] = version;
    }
    return txns;
  }
  [[nodiscard]] delta::SnapshotView latest() const {
    delta::SnapshotView view{.version = commits.size() - 1, .shape = {}, .txns = txns()};
    view.shape = shape();
    return view;
  }
  [[nodiscard]] delta::TableShape shape() const {
    delta::TableShape shape;
    shape.id = id;
    shape.schema_json = schema_json;
    shape.partition_columns = partition_columns;
    shape.configuration = configuration;
    return shape;
  }
};

/// How the next PUT of a log entry goes.
enum class PutFault {
  kNone,
  /// It lands; the answer does not come.
  kAnswerLost,
  /// It does not land and no answer comes.
  kNothingLanded,
  /// No answer comes; it lands later, if its version is still free then.
  kLandsLate,
  /// It lands, and the store's own retry then reports a conflict with it.
  kOwnConflict,
};

/// What the test wants to know of the store, and where it may make it fail.
struct StoreHooks {
  /// Called at the beginning and the end of every call; may throw.
  std::function<void()> step = [] {};
  std::function<PutFault()> put_fault = [] { return PutFault::kNone; };
  /// Whether the next read fails.
  std::function<bool()> read_fails = [] { return false; };
  /// Two jobs use one table handle at once.
  std::function<void()> two_callers = [] {};
  /// A commit is in the table now; `before` are the txns it found.
  std::function<void(const StoredTable&, const StoredCommit&, const delta::TxnMap& before)> landed =
      [](const StoredTable&, const StoredCommit&, const delta::TxnMap&) {};
  /// nullptr = none are kept.
  KeptStates* kept = nullptr;
  /// A kept state was looked at; whether the table vouched for it.
  std::function<void(bool)> judged = [](bool) {};
};

/// Puts a commit if its version is free. Returns whether it landed.
inline bool put_if_absent(StoredTable& table, std::uint64_t version, const StoredCommit& commit,
                          const StoreHooks& hooks) {
  if (version != table.commits.size()) return false;
  const delta::TxnMap before = table.txns();
  table.commits.push_back(commit);
  hooks.landed(table, table.commits.back(), before);
  return true;
}

class FakeFile final : public delta::FileSink {
 public:
  FakeFile(std::string date, const StoreHooks& hooks) : date_(std::move(date)), hooks_(hooks) {}

  std::uint64_t append(batch::Columns columns) override {
    for (std::size_t i = 0; i < columns.rows(); ++i) {
      const auto row = columns.row(i);
      rows.push_back({row.partition, row.offset,
                      row.raw_value ? std::optional(std::string(*row.raw_value)) : std::nullopt,
                      row.ingested_at, date_});
    }
    return rows.size() * 10;
  }
  std::uint64_t append(batch::DeadLetterColumns columns) override {
    for (std::size_t i = 0; i < columns.rows(); ++i) {
      const auto letter = columns.letter(i);
      rows.push_back({letter.partition, letter.offset,
                      letter.original_bytes ? std::optional(std::string(*letter.original_bytes))
                                            : std::nullopt,
                      letter.ingested_at, date_, std::string(letter.error_type)});
    }
    return rows.size() * 10;
  }
  delta::FileResult finish() override {
    hooks_.step();
    return {{}, date_ + "/file", rows.size(), rows.size() * 10};
  }
  delta::StoreOutcome discard() override { return {}; }

  std::vector<StoredRow> rows;

 private:
  const std::string date_;
  const StoreHooks& hooks_;
};

/// A writer's handle on a StoredTable, with a snapshot of its own.
class FakeTable final : public delta::TableSink {
 public:
  FakeTable(std::map<std::string, StoredTable>& store, std::string name, StoreHooks hooks,
            int writer)
      : store_(store), name_(std::move(name)), hooks_(std::move(hooks)), writer_(writer) {}

  delta::StoreOutcome load() override {
    const OneCaller caller(*this);
    hooks_.step();
    if (hooks_.read_fails()) return {delta::StoreStatus::kTransient, "time-out"};
    const auto found = store_.find(name_);
    if (found == store_.end()) return {delta::StoreStatus::kMissing, "no table"};
    snapshot_ = found->second.latest();
    hooks_.step();
    return {};
  }

  delta::StoreOutcome refresh() override { return load(); }

  delta::StoreOutcome open() override { return recall() ? delta::StoreOutcome{} : load(); }

  delta::StoreOutcome look() override {
    if (!recall()) return load();
    const OneCaller caller(*this);
    hooks_.step();
    if (hooks_.read_fails()) return {delta::StoreStatus::kTransient, "time-out"};
    const auto& commits = store_.at(name_).commits;
    for (std::uint64_t next = snapshot_.version + 1; next < commits.size(); ++next) {
      for (const auto& [app_id, value] : commits[next].txns) snapshot_.txns[app_id] = value;
      snapshot_.version = next;
    }
    return {};
  }

  delta::StoreOutcome create(const delta::TableSpec& spec) override {
    {
      const OneCaller caller(*this);
      hooks_.step();
      if (store_.contains(name_)) return {delta::StoreStatus::kConflict, "exists"};
      store_[name_].id = "id-of-" + name_;
      store_[name_].commits.emplace_back();
      store_[name_].configuration = spec.configuration;
      if (!spec.schema_json.empty()) {
        store_[name_].schema_json = spec.schema_json;
        store_[name_].partition_columns = spec.partition_columns;
      }
    }
    return load();
  }

  [[nodiscard]] const delta::SnapshotView& snapshot() const override { return snapshot_; }

  delta::Lookup has_data_files() override {
    const OneCaller caller(*this);
    hooks_.step();
    if (hooks_.read_fails()) return {{delta::StoreStatus::kTransient, "time-out"}, false, 0};
    delta::Lookup lookup;
    for_each_row([&](const StoredRow&) { lookup.found = true; });
    return lookup;
  }

  /// As little as the contract asks for.
  delta::LastOffsets last_offsets(const OffsetMap& from) override {
    const OneCaller caller(*this);
    hooks_.step();
    delta::LastOffsets last;
    if (hooks_.read_fails()) last.outcome = {delta::StoreStatus::kTransient, "time-out"};
    if (!last.outcome.ok()) return last;
    for_each_row([&](const StoredRow& row) {
      const auto wanted = from.find(row.partition);
      if (wanted != from.end() && row.offset < wanted->second) return;
      Offset& greatest = last.offsets.try_emplace(row.partition, row.offset).first->second;
      greatest = std::max(greatest, row.offset);
    });
    return last;
  }

  delta::LastIngestion last_ingestion() override {
    const OneCaller caller(*this);
    hooks_.step();
    if (hooks_.read_fails()) return {{delta::StoreStatus::kTransient, "time-out"}, {}};
    delta::LastIngestion last;
    for_each_row([&](const StoredRow& row) { last.time = std::max(last.time, {row.ingested_at}); });
    return last;
  }

  delta::Lookup log_entry_has_txn(std::uint64_t version, const std::string& prefix) override {
    const OneCaller caller(*this);
    hooks_.step();
    if (hooks_.read_fails()) return {{delta::StoreStatus::kTransient, "time-out"}, false, 0};
    const auto& txns = store_.at(name_).commits.at(version).txns;
    const auto found = txns.lower_bound(prefix);
    return {{}, found != txns.end() && found->first.starts_with(prefix), version};
  }

  delta::Lookup find_token(const std::string& token, std::uint64_t after) override {
    const OneCaller caller(*this);
    hooks_.step();
    if (hooks_.read_fails()) return {{delta::StoreStatus::kTransient, "time-out"}, false, 0};
    const auto& commits = store_.at(name_).commits;
    for (std::uint64_t version = after + 1; version <= snapshot_.version; ++version) {
      if (commits[version].token == token) return {{}, true, version};
    }
    return {};
  }

  delta::StoreOutcome confirm() override {
    const OneCaller caller(*this);
    hooks_.step();
    if (hooks_.read_fails()) return {delta::StoreStatus::kTransient, "time-out"};
    if (snapshot_.version < store_.at(name_).commits.size()) return {};
    return {delta::StoreStatus::kMissing, "no such version"};
  }

  delta::PutResult put(const delta::CommitRequest& request) override {
    const OneCaller caller(*this);
    hooks_.step();
    StoredCommit commit{.txns = request.txns,
                        .token = request.parameters.at("bronzeToken"),
                        .rows = {},
                        .writer = writer_,
                        .parameters = request.parameters};
    KeptState after{snapshot_.version + 1, snapshot_.shape.id, snapshot_.txns};
    for (const auto& [app_id, value] : request.txns) after.txns[app_id] = value;
    if (hooks_.kept != nullptr) commit.vouches_for = after;
    for (const auto* file : request.files) {
      const auto& rows = static_cast<const FakeFile*>(file)->rows;
      commit.rows.insert(commit.rows.end(), rows.begin(), rows.end());
    }
    StoredTable& table = store_.at(name_);
    const std::uint64_t version = snapshot_.version + 1;
    const PutFault fault = hooks_.put_fault();
    if (fault == PutFault::kLandsLate) table.late.emplace_back(version, commit);
    if (fault == PutFault::kLandsLate || fault == PutFault::kNothingLanded) return lost(version);
    const bool landed = put_if_absent(table, version, commit, hooks_);
    hooks_.step();
    if (fault == PutFault::kAnswerLost) return lost(version);
    if (!landed || fault == PutFault::kOwnConflict) {
      return {{delta::StoreStatus::kConflict, "exists"}, version};
    }
    snapshot_.version = version;
    snapshot_.txns = after.txns;
    if (hooks_.kept != nullptr) hooks_.kept->keep(name_, after);
    return {{}, version};
  }

  delta::OffsetsWithin offsets_within(const RangeMap& ranges, UnixMicros since) override {
    const OneCaller caller(*this);
    hooks_.step();
    delta::OffsetsWithin within;
    if (hooks_.read_fails()) within.outcome = {delta::StoreStatus::kTransient, "time-out"};
    if (!within.outcome.ok()) return within;
    for_each_row([&](const StoredRow& row) {
      const auto range = ranges.find(row.partition);
      const bool wanted = range != ranges.end() && row.offset >= range->second.first &&
                          row.offset < range->second.next && row.ingested_at >= since;
      if (wanted) within.runs.push_back({row.partition, {row.offset, row.offset.following()}});
    });
    return within;
  }

  delta::StoreOutcome add_columns(const std::string& schema_json) override {
    {
      const OneCaller caller(*this);
      hooks_.step();
      StoredTable& table = store_.at(name_);
      const StoredCommit commit{.txns = {}, .token = "columns", .rows = {}, .writer = writer_};
      if (!put_if_absent(table, snapshot_.version + 1, commit, hooks_)) {
        return {delta::StoreStatus::kConflict, "exists"};
      }
      table.schema_json = schema_json;
    }
    return load();
  }

  delta::StoreOutcome checkpoint() override { return {}; }

  [[nodiscard]] std::unique_ptr<delta::FileSink> open_file(const std::string& date) override {
    return std::make_unique<FakeFile>(date, hooks_);
  }

 private:
  /// The contract of TableSink: one job at a time.
  class OneCaller {
   public:
    explicit OneCaller(FakeTable& table) : table_(table) {
      if (table_.in_use_) table_.hooks_.two_callers();
      table_.in_use_ = true;
    }
    ~OneCaller() { table_.in_use_ = false; }
    OneCaller(const OneCaller&) = delete;
    OneCaller& operator=(const OneCaller&) = delete;

   private:
    FakeTable& table_;
  };

  /// Whether the snapshot is one that was kept, or newer.
  bool recall() {
    if (hooks_.kept == nullptr) return false;
    const OneCaller caller(*this);
    hooks_.step();
    const auto state = hooks_.kept->find(name_);
    const auto table = store_.find(name_);
    if (!state || table == store_.end() || hooks_.read_fails()) return false;
    if (!snapshot_.shape.id.empty() && snapshot_.version >= state->version) return true;
    if (state->version >= table->second.commits.size()) return false;
    const bool vouched = table->second.commits[state->version].vouches_for == state;
    hooks_.judged(vouched);
    if (!vouched && !sabotaged(Sabotage::kUnvouchedState)) return false;
    snapshot_.version = state->version;
    snapshot_.txns = state->txns;
    snapshot_.shape = table->second.shape();
    return true;
  }

  /// Of the snapshot.
  template <typename Function>
  void for_each_row(Function function) const {
    const auto& commits = store_.at(name_).commits;
    for (std::uint64_t version = 0; version <= snapshot_.version; ++version) {
      for (const auto& row : commits[version].rows) function(row);
    }
  }

  [[nodiscard]] static delta::PutResult lost(std::uint64_t version) {
    return {{delta::StoreStatus::kTransient, "no answer"}, version};
  }

  std::map<std::string, StoredTable>& store_;
  const std::string name_;
  const StoreHooks hooks_;
  const int writer_;
  delta::SnapshotView snapshot_;
  bool in_use_ = false;
};

}  // namespace bronze::fakes
