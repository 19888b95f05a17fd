#pragma once

namespace bronze {

/// Kafka no longer has records that are not in the table: retention or DeleteRecords was faster.
enum class OnDataLoss {
  /// The partition is stopped.
  kStop,
  /// Reading goes on at what is left; the commit states the gap.
  kSkip,
};

/// Another topic bears the name that the table was written from.
enum class OnTopicRecreated {
  /// The topic is stopped.
  kStop,
  /// The new topic goes into the same table, from its beginning, under its own progress.
  kNewEpoch,
};

/// What the user wants done about what cannot be repaired.
struct Policies {
  OnDataLoss data_loss = OnDataLoss::kStop;
  OnTopicRecreated topic_recreated = OnTopicRecreated::kStop;

  friend bool operator==(const Policies&, const Policies&) = default;
};

}  // namespace bronze
