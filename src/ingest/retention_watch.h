#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "kafka/message_source.h"

namespace bronze::ingest {

/// Tells in what time retention will delete records that are in no table yet, if both go on as in
/// the last hour. Asks for where the partitions begin once a minute, while a lane is behind. Owned
/// by its lane; ingest thread.
class RetentionWatch {
 public:
  explicit RetentionWatch(const Clock& clock) : clock_(clock) {}

  [[nodiscard]] bool is_due() const;
  /// Which partitions to ask about. `committed`: of those that are behind; others are forgotten.
  [[nodiscard]] std::vector<Partition> begin(const OffsetMap& committed);
  void asked(kafka::RequestId request) { request_ = request; }
  [[nodiscard]] bool awaits(kafka::RequestId request) const { return request_ == request; }
  /// REQUIRES: awaits(answer.request).
  void on_offsets(const kafka::OffsetsListed& answer, const OffsetMap& committed);

  /// nullopt = not within weeks, as far as is known; zero = it has happened.
  [[nodiscard]] std::optional<Duration> loses_data_in(Partition partition) const;

 private:
  struct Sample {
    SteadyTime at;
    Offset earliest;
    Offset committed;
  };

  const Clock& clock_;
  std::optional<SteadyTime> asked_at_;
  std::optional<kafka::RequestId> request_;
  std::map<Partition, std::deque<Sample>> samples_;
};

}  // namespace bronze::ingest
