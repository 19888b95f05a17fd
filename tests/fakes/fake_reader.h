#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "delta/table_reader.h"
#include "fakes/fake_table.h"

namespace bronze::fakes {

/// Tells parts that were made before, one at a time. `Part` is that of `Scan`.
template <typename Scan, typename Part>
class ReadyScan final : public Scan {
 public:
  /// `before`: called at each advance; a failure of it is that of the part.
  ReadyScan(std::vector<Part> parts, std::function<delta::StoreOutcome()> before)
      : parts_(std::move(parts)), before_(std::move(before)) {}

  Part advance() override {
    Part part;
    part.outcome = before_();
    if (!part.outcome.ok()) return part;
    if (next_ < parts_.size()) part = std::move(parts_[next_++]);
    part.done = next_ == parts_.size();
    return part;
  }

 private:
  std::vector<Part> parts_;
  std::size_t next_ = 0;
  const std::function<delta::StoreOutcome()> before_;
};

using ReadyRowScan = ReadyScan<delta::RowScan, delta::RowPart>;
using ReadyLetterScan = ReadyScan<delta::LetterScan, delta::LetterPart>;

/// A run of one offset, of the epoch that its `_ingested_at` says.
inline delta::OffsetRun run_of(Partition partition, Offset offset, UnixMicros ingested_at,
                               const delta::RowQuery& query) {
  const auto begun = std::count_if(query.epochs.begin(), query.epochs.end(),
                                   [&](UnixMicros since) { return since <= ingested_at; });
  return {partition, static_cast<std::uint32_t>(begun), {offset, offset.following()}};
}

/// Looks at a StoredTable as it was at the load; its log is not told.
class FakeReader : public delta::TableReader {
 public:
  FakeReader(const std::map<std::string, StoredTable>& store, std::string name, StoreHooks hooks)
      : store_(store), name_(std::move(name)), hooks_(std::move(hooks)) {}

  delta::StoreOutcome load() override {
    const auto outcome = read();
    if (!outcome.ok()) return outcome;
    const auto found = store_.find(name_);
    if (found == store_.end()) return {delta::StoreStatus::kMissing, "no table"};
    view_ = found->second.latest();
    hooks_.step();
    return {};
  }
  [[nodiscard]] const delta::SnapshotView& snapshot() const override { return view_; }

  /// A part for each commit that has rows.
  [[nodiscard]] std::unique_ptr<delta::RowScan> scan_rows(const delta::RowQuery& query) override {
    std::vector<delta::RowPart> parts;
    for_each_commit([&](const StoredCommit& commit) {
      const auto within = [&](const StoredRow& row) {
        const auto range = query.within.find(row.partition);
        return range != query.within.end() && row.offset >= range->second.first &&
               row.offset < range->second.next;
      };
      if (!query.within.empty() && std::ranges::none_of(commit.rows, within)) return;
      delta::RowPart& part = parts.emplace_back();
      for (const auto& row : commit.rows) {
        part.runs.push_back(run_of(row.partition, row.offset, row.ingested_at, query));
      }
    });
    return std::make_unique<ReadyRowScan>(std::move(parts), [this] { return read(); });
  }

  [[nodiscard]] std::unique_ptr<delta::LetterScan> scan_letters(
      const delta::LetterQuery& query) override {
    std::vector<delta::LetterPart> parts;
    for_each_commit([&](const StoredCommit& commit) {
      delta::LetterPart& part = parts.emplace_back();
      part.rows_read = commit.rows.size();
      for (const auto& row : commit.rows) {
        if (is_wanted(row, query)) part.letters.push_back(letter_of(row));
      }
    });
    return std::make_unique<ReadyLetterScan>(std::move(parts), [this] { return read(); });
  }

  delta::LogVersions log_versions() override { return {}; }
  std::vector<delta::LogEntry> log_entries(delta::VersionRange /*versions*/) override { return {}; }

 private:
  [[nodiscard]] delta::StoreOutcome read() const {
    hooks_.step();
    if (hooks_.read_fails()) return {delta::StoreStatus::kTransient, "time-out"};
    return {};
  }

  /// Of the snapshot, those that have rows.
  template <typename Function>
  void for_each_commit(Function function) const {
    const auto& commits = store_.at(name_).commits;
    for (std::uint64_t version = 0; version <= view_.version; ++version) {
      if (!commits[version].rows.empty()) function(commits[version]);
    }
  }

  [[nodiscard]] static bool is_wanted(const StoredRow& row, const delta::LetterQuery& query) {
    const auto& types = query.error_types;
    return (types.empty() || std::ranges::find(types, row.error_type) != types.end()) &&
           (!query.partition || row.partition == *query.partition) &&
           row.offset >= query.offsets.first && row.offset < query.offsets.next &&
           row.ingested_at >= query.since && row.ingested_at < query.until;
  }

  [[nodiscard]] static delta::DeadLetter letter_of(const StoredRow& row) {
    delta::DeadLetter letter;
    letter.partition = row.partition;
    letter.offset = row.offset;
    letter.ingested_at = row.ingested_at;
    letter.error_type = row.error_type;
    letter.bytes = row.value;
    return letter;
  }

  const std::map<std::string, StoredTable>& store_;
  const std::string name_;
  const StoreHooks hooks_;
  delta::SnapshotView view_;
};

}  // namespace bronze::fakes
