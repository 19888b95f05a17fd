#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "kafka/message_source.h"

namespace bronze::ingest {

/// Tells in what time retention will delete records that are in no table yet, if both go on as they
/// do. Retention deletes whole segments, and never what is newer than the retention: so a rate
/// needs two deletions, and who will have copied what Kafka holds now before it comes to that loses
/// nothing. Asks for where the partitions begin once a minute, while a lane is behind. Owned by its
/// lane; ingest thread.
class RetentionWatch {
 public:
  /// Of a partition that is behind.
  struct Reach {
    /// Before which everything is in the table.
    Offset committed;
    Offset end;
  };
  using Reaches = std::map<Partition, Reach>;

  RetentionWatch(const Clock& clock, Duration batch_interval);

  [[nodiscard]] bool is_due() const;
  /// Which partitions to ask about: those that are behind. Others are forgotten.
  [[nodiscard]] std::vector<Partition> begin(const Reaches& behind);
  void asked(kafka::RequestId request) { request_ = request; }
  [[nodiscard]] bool awaits(kafka::RequestId request) const { return request_ == request; }
  /// REQUIRES: awaits(answer.request).
  void on_offsets(const kafka::OffsetsListed& answer, const Reaches& behind);

  /// nullopt = not within a week, as far as is known; zero = it has happened.
  [[nodiscard]] std::optional<Duration> loses_data_in(Partition partition) const;

 private:
  struct Deletion {
    SteadyTime at;
    /// After it.
    Offset earliest;
  };
  struct Look {
    SteadyTime at;
    Offset earliest;
    Reach reach;
  };
  struct Watched {
    /// The last ones.
    std::deque<Deletion> deletions = {};
    /// Oldest first; they reach back for as long as `pace_over_`, once there are as many.
    std::deque<Look> looks = {};
  };

  void note(Watched& watched, const Look& look) const;

  const Clock& clock_;
  /// Over what time the pace of the lane is judged: it has written some batches.
  const Duration pace_over_;
  std::optional<SteadyTime> asked_at_;
  std::optional<kafka::RequestId> request_;
  std::map<Partition, Watched> watched_;
};

}  // namespace bronze::ingest
