#include "base/log_event.h"

#include <array>
#include <cstddef>

namespace bronze {
namespace {

using enum spdlog::level::level_enum;
using enum Repeats;

constexpr std::array k_traits = {
    LogEventTraits{LogEvent::kStarted, "started", info, kTold},
    LogEventTraits{LogEvent::kSignal, "signal", info, kTold},
    LogEventTraits{LogEvent::kShutdown, "shutdown", info, kTold},
    LogEventTraits{LogEvent::kShutdownIncomplete, "shutdown_incomplete", err, kTold},
    LogEventTraits{LogEvent::kFailed, "failed", critical, kTold},
    LogEventTraits{LogEvent::kExit, "exit", info, kTold},
    LogEventTraits{LogEvent::kWaiting, "waiting", warn, kTold},
    LogEventTraits{LogEvent::kAssigned, "assigned", info, kTold},
    LogEventTraits{LogEvent::kRevoked, "revoked", info, kTold},
    LogEventTraits{LogEvent::kLost, "lost", info, kTold},
    LogEventTraits{LogEvent::kRegistered, "registered", info, kTold},
    LogEventTraits{LogEvent::kTakenOver, "taken_over", warn, kTold},
    LogEventTraits{LogEvent::kPartitionStarted, "partition_started", info, kTold},
    LogEventTraits{LogEvent::kPartitionReset, "partition_reset", warn, kTold},
    LogEventTraits{LogEvent::kPartitionStopped, "partition_stopped", err, kTold},
    LogEventTraits{LogEvent::kDataLoss, "data_loss", err, kTold},
    LogEventTraits{LogEvent::kRecordsDropped, "records_dropped", warn, kTold},
    LogEventTraits{LogEvent::kRecordsLost, "records_lost", err, kTold},
    LogEventTraits{LogEvent::kTopicMatched, "topic_matched", info, kTold},
    LogEventTraits{LogEvent::kTopicNotCopied, "topic_not_copied", err, kTold},
    LogEventTraits{LogEvent::kTopicError, "topic_error", warn, kCounted},
    LogEventTraits{LogEvent::kTopicDeleted, "topic_deleted", warn, kTold},
    LogEventTraits{LogEvent::kTopicRecreated, "topic_recreated", warn, kTold},
    LogEventTraits{LogEvent::kTableUnusable, "table_unusable", err, kTold},
    LogEventTraits{LogEvent::kCommit, "commit", info, kTold},
    LogEventTraits{LogEvent::kDeadLetterCommit, "dead_letter_commit", info, kTold},
    LogEventTraits{LogEvent::kDeadLetter, "dead_letter", warn, kCounted},
    LogEventTraits{LogEvent::kConflict, "conflict", info, kCounted},
    LogEventTraits{LogEvent::kRetry, "retry", warn, kCounted},
    LogEventTraits{LogEvent::kRewind, "rewind", warn, kTold},
    LogEventTraits{LogEvent::kFenced, "fenced", warn, kTold},
    LogEventTraits{LogEvent::kCheckpointFailed, "checkpoint_failed", warn, kCounted},
    LogEventTraits{LogEvent::kCacheFailed, "cache_failed", warn, kCounted},
    LogEventTraits{LogEvent::kCacheRecovered, "cache_recovered", info, kCounted},
    LogEventTraits{LogEvent::kPaused, "paused", warn, kCounted},
    LogEventTraits{LogEvent::kResumed, "resumed", info, kCounted},
    LogEventTraits{LogEvent::kMemoryPaused, "memory_paused", info, kCounted},
    LogEventTraits{LogEvent::kMemoryResumed, "memory_resumed", info, kCounted},
    LogEventTraits{LogEvent::kKafkaWarning, "kafka_warning", warn, kCounted},
    LogEventTraits{LogEvent::kKafkaClientError, "kafka_client_error", warn, kCounted},
    LogEventTraits{LogEvent::kKafkaClientWarning, "kafka_client_warning", info, kCounted},
    LogEventTraits{LogEvent::kHttpFailed, "http_failed", err, kCounted},
    LogEventTraits{LogEvent::kHttpRecovered, "http_recovered", warn, kCounted},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < k_traits.size(); ++i) {
    if (k_traits[i].event != static_cast<LogEvent>(i)) return false;
  }
  return k_traits.back().event == LogEvent::kHttpRecovered;
}
static_assert(in_order(), "one line for each event, in the order of the enum");

}  // namespace

const LogEventTraits& traits_of(LogEvent event) {
  return k_traits[static_cast<std::size_t>(event)];
}

}  // namespace bronze
