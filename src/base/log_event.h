#pragma once

#include <spdlog/common.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/ids.h"

namespace bronze {

/// What an operator wants to know of. docs/logging.md says when each comes and what it bears.
enum class LogEvent {
  kStarted,
  kSignal,
  kShutdown,
  kShutdownIncomplete,
  kFailed,
  kExit,
  kWaiting,
  kAssigned,
  kRevoked,
  kLost,
  kRegistered,
  kTakenOver,
  kPartitionStarted,
  kPartitionReset,
  kPartitionStopped,
  kDataLoss,
  kRecordsDropped,
  kRecordsLost,
  kTopicMatched,
  kTopicNotCopied,
  kTopicError,
  kTopicDeleted,
  kTopicRecreated,
  kTableUnusable,
  kCommit,
  kDeadLetterCommit,
  kDeadLetter,
  kConflict,
  kRetry,
  kRewind,
  kFenced,
  kCheckpointFailed,
  kCacheFailed,
  kCacheRecovered,
  kPaused,
  kResumed,
  kMemoryPaused,
  kMemoryResumed,
  kKafkaWarning,
  kKafkaClientError,
  kKafkaClientWarning,
  kHttpFailed,
  kHttpRecovered,
};

/// What becomes of an event that comes again soon.
enum class Repeats {
  kTold,
  /// At most one line a minute of the same topic, operation and error type.
  kCounted,
};

struct LogEventTraits {
  LogEvent event;
  /// Of the field `event`.
  std::string_view name;
  spdlog::level::level_enum level;
  Repeats repeats;
};

[[nodiscard]] const LogEventTraits& traits_of(LogEvent event);

/// What a line bears beside its text, under these names. Those that are empty are left out.
struct LogFields {
  std::string_view topic = {};
  std::optional<Partition> partition = {};
  /// Of the record that it is about, or where reading begins.
  std::optional<Offset> offset = {};
  /// How many.
  std::optional<std::uint64_t> partitions = {};
  std::optional<std::uint64_t> rows = {};
  /// Of the records' values.
  std::optional<std::uint64_t> bytes = {};
  /// Of the files.
  std::optional<std::uint64_t> stored_bytes = {};
  std::optional<std::uint64_t> held_bytes = {};
  std::optional<std::uint64_t> limit_bytes = {};
  /// Of the table.
  std::optional<std::uint64_t> version = {};
  std::optional<std::int64_t> ms = {};
  /// Of the commit, as in its commitInfo.
  std::string_view token = {};
  /// What is tried: one of a few fixed words.
  std::string_view operation = {};
  std::string_view error_type = {};
  std::string_view waiting_for = {};
  std::string_view signal = {};
  std::optional<std::int64_t> exit_code = {};
  /// Of this program.
  std::string_view release = {};
  std::string_view reason = {};
};

/// Calls `visit(name, value)` for each field, whether it is empty or not.
template <typename Visit>
void for_each_field(const LogFields& fields, const Visit& visit) {
  // A field that is not named here does not compile.
  const auto& [topic, partition, offset, partitions, rows, bytes, stored_bytes, held_bytes,
               limit_bytes, version, ms, token, operation, error_type, waiting_for, signal,
               exit_code, release, reason] = fields;
  visit("topic", topic);
  visit("partition", partition);
  visit("offset", offset);
  visit("partitions", partitions);
  visit("rows", rows);
  visit("bytes", bytes);
  visit("stored_bytes", stored_bytes);
  visit("held_bytes", held_bytes);
  visit("limit_bytes", limit_bytes);
  visit("version", version);
  visit("ms", ms);
  visit("token", token);
  visit("operation", operation);
  visit("error_type", error_type);
  visit("waiting_for", waiting_for);
  visit("signal", signal);
  visit("exit_code", exit_code);
  visit("release", release);
  visit("reason", reason);
}

}  // namespace bronze
