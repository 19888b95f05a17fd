#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/record.h"

namespace bronze::kafka {

struct TopicPartition {
  std::string topic;
  Partition partition{};

  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;  // NOLINT
};

/// Nothing came in time.
struct Idle {};

/// Everything visible in the partition has been delivered; the next record will be at `position`
/// or later.
struct PartitionEnd {
  std::string topic;
  Partition partition{};
  Offset position;
};

/// These partitions are ours now. Nothing is read from them until `start`.
struct Assigned {
  std::vector<TopicPartition> partitions;
};

/// These partitions go to another member as soon as `release` is called, which must be within
/// seconds. `lost`: they are gone already.
struct Revoked {
  std::vector<TopicPartition> partitions;
  bool lost = false;
};

/// The partition stopped reading: its position is outside the log, or the log was truncated.
struct PartitionReset {
  std::string topic;
  Partition partition{};
  std::string reason;
};

/// What the partition holds at our position cannot be decoded; where reading would go on is not
/// known.
struct PartitionUnreadable {
  std::string topic;
  Partition partition{};
  std::string reason;
};

/// Reading the topic fails until somebody acts.
struct TopicError {
  std::string topic;
  std::string reason;
  /// For want of rights.
  bool denied = false;
};

using RequestId = std::uint64_t;

struct TopicDescription {
  std::string topic;
  /// Empty = the topic exists.
  std::string error;
  /// The broker knows no such topic (`error` says so too).
  bool unknown = false;
  TopicIdentity identity;
  std::vector<Partition> partitions;
};

/// Answer to `describe_topics`.
struct TopicsDescribed {
  RequestId request = 0;
  /// Empty = answered.
  std::string error;
  std::vector<TopicDescription> topics;
};

enum class OffsetSpec { kEarliest, kLatest, kAtTime };

/// Answer to `list_offsets`: only partitions without an error are in `offsets`.
/// kAtTime: a partition with no message that young has its end.
struct OffsetsListed {
  RequestId request = 0;
  /// Empty = every partition answered.
  std::string error;
  OffsetMap offsets;
};

/// Answer to `list_ends`: only partitions without an error are in `ends`.
struct EndsListed {
  RequestId request = 0;
  std::map<TopicPartition, Offset> ends;
};

struct GroupOffset {
  Offset offset;
  std::string metadata;
};

/// Answer to `list_group_offsets`: a partition without a committed offset is absent.
struct GroupOffsetsListed {
  RequestId request = 0;
  /// Empty = answered.
  std::string error;
  std::map<Partition, GroupOffset> offsets;
};

/// Answer to `commit`. `error` is empty when all were taken.
struct OffsetsCommitted {
  std::string error;
};

/// Something went wrong that the source will get over by itself, e.g. a broker is down.
struct SourceWarning {
  /// Empty = an earlier one says why.
  std::string message;
  bool all_brokers_down = false;
  /// The kind of trouble, in a word.
  std::string code = {};
};

/// The group does not take us in until somebody acts: another member is there whose way of sharing
/// partitions does not go with ours, or we have no right to. The source keeps trying.
struct JoinRefused {
  std::string reason;
  /// For want of rights.
  bool denied = false;
};

/// The source cannot go on.
struct SourceFailed {
  std::string message;
};

/// The consumer has left its group; nothing more will come.
struct Closed {};

using Event =
    std::variant<Idle, Record, PartitionEnd, Assigned, Revoked, PartitionReset, PartitionUnreadable,
                 TopicError, TopicsDescribed, OffsetsListed, EndsListed, GroupOffsetsListed,
                 OffsetsCommitted, SourceWarning, JoinRefused, SourceFailed, Closed>;

struct StartPosition {
  TopicPartition partition;
  Offset offset;
};

struct CommitPosition {
  TopicPartition partition;
  Offset offset;
  std::string metadata;
};

/// A consumer group member. All calls but `wake` come from the ingest thread; none blocks on the
/// network but `poll`. Requests are answered by events.
class MessageSource {
 public:
  virtual ~MessageSource() = default;

  virtual void subscribe(const std::vector<std::string>& topics) = 0;

  /// The next event, or Idle after `max_wait` or `wake`.
  [[nodiscard]] virtual Event poll(std::chrono::milliseconds max_wait) = 0;

  /// An answer to a request, if one lies ready; Idle otherwise. `poll` gives them too, but between
  /// records.
  [[nodiscard]] virtual Event poll_answer() { return Idle{}; }

  /// Makes a running or the next `poll` return early. From any thread.
  virtual void wake() = 0;

  /// Begins to read assigned partitions at these offsets.
  virtual void start(const std::vector<StartPosition>& positions) = 0;

  /// Ends reading; records already fetched are dropped. The partitions stay assigned.
  virtual void stop(const std::vector<TopicPartition>& partitions) = 0;

  /// Where an assigned partition ended when it was last read from; nullopt = not known yet.
  [[nodiscard]] virtual std::optional<Offset> end_of(const std::string& topic,
                                                     Partition partition) const = 0;

  /// Answers `Revoked`: stops what still reads and lets the partitions go.
  virtual void release(const std::vector<TopicPartition>& partitions) = 0;

  virtual void pause(const std::vector<TopicPartition>& partitions) = 0;
  virtual void resume(const std::vector<TopicPartition>& partitions) = 0;

  [[nodiscard]] virtual RequestId describe_topics(const std::vector<std::string>& topics,
                                                  std::chrono::milliseconds timeout) = 0;
  /// `unix_ms` counts for kAtTime only.
  [[nodiscard]] virtual RequestId list_offsets(const std::string& topic,
                                               const std::vector<Partition>& partitions,
                                               OffsetSpec spec, std::int64_t unix_ms) = 0;
  /// Where partitions of any topics end. REQUIRES: the one before has been answered.
  [[nodiscard]] virtual RequestId list_ends(const std::vector<TopicPartition>& partitions) = 0;
  [[nodiscard]] virtual RequestId list_group_offsets(const std::string& topic,
                                                     const std::vector<Partition>& partitions) = 0;

  /// Sends the group's offsets on their way; answered by OffsetsCommitted.
  virtual void commit(const std::vector<CommitPosition>& positions) = 0;

  /// Leaves the group; `poll` goes on until Closed.
  virtual void close() = 0;
};

}  // namespace bronze::kafka
