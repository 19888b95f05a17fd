#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "ingest/dead_letter_tally.h"
#include "ingest/duration_histogram.h"

namespace bronze::ingest {

/// Since the process started.
struct WriteCounts {
  /// Commits to the table or its dead-letter table, by what became of each try.
  std::uint64_t committed = 0;
  /// Another writer was faster.
  std::uint64_t conflicts = 0;
  std::uint64_t failed = 0;
  /// Uploads and commits that were tried again.
  std::uint64_t retries = 0;
  std::uint64_t files = 0;
  /// From the end of a batch until it was in the table.
  DurationHistogram durations;

  void add(const WriteCounts& other) {
    committed += other.committed;
    conflicts += other.conflicts;
    failed += other.failed;
    retries += other.retries;
    files += other.files;
    durations.add(other.durations);
  }
};

enum class PartitionActivity { kStarting, kReading, kPaused, kFetchingSchema, kLeaving, kStopped };

struct PartitionReport {
  PartitionActivity activity = PartitionActivity::kStarting;
  /// nullopt = not known yet.
  std::optional<Offset> position;
  std::optional<Offset> committed;
  /// Where the partition ended when it was read last; nullopt = not known yet.
  std::optional<Offset> end;
  /// Of the last record that was taken.
  std::optional<UnixMicros> last_timestamp;
  /// At the present rates retention overtakes what is committed in so long; nullopt = it does not.
  std::optional<Duration> loses_data_in;
  /// Why it is stopped; empty = it is not.
  std::string reason;

  /// Records that are in no table yet.
  [[nodiscard]] std::optional<std::int64_t> lag() const {
    if (!end || !committed) return std::nullopt;
    return std::max<std::int64_t>(0, end->value - committed->value);
  }
};

struct LastCommit {
  UnixMicros at = 0;
  std::uint64_t version = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::string token;
  Duration took{};
};

/// What a lane knows of itself at one moment. Counts are since the process started.
struct LaneReport {
  std::string topic;
  std::uint64_t rows_committed = 0;
  /// Of the records' senders.
  std::uint64_t bytes_committed = 0;
  /// Records that were taken in, rows or dead letters; those read again count again.
  std::uint64_t messages_consumed = 0;
  DeadLetterTally dead_letters = {};
  WriteCounts writes = {};
  std::uint64_t checkpoints = 0;
  /// Failed writes since the last success.
  std::uint64_t failures = 0;
  std::optional<SteadyTime> last_write;
  std::optional<LastCommit> last_commit = {};
  std::optional<SteadyTime> oldest_due;
  /// Since when the oldest record that is not written has been held; nullopt = none is.
  std::optional<SteadyTime> oldest_unwritten = {};
  /// Since when a record has waited for its schema; nullopt = none does.
  std::optional<SteadyTime> schema_awaited_since = {};
  bool table_open = false;
  std::map<Partition, PartitionReport> partitions = {};
  /// Partitions that are stopped for good, and why.
  std::map<Partition, std::string> halted;
  /// Why Kafka does not let this user read the topic; empty = it does.
  std::string denied = {};
  /// What holds the lane up at present; empty = nothing.
  std::string trouble;
};

}  // namespace bronze::ingest
