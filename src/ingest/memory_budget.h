#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"

namespace bronze::ingest {

/// Bytes that the batches of a lane hold.
struct LaneMemory {
  /// Of the batch that still fills.
  std::uint64_t open = 0;
  /// Of the batch that is being written; 0 = none is.
  std::uint64_t writing = 0;
  /// Of both, what waits for a worker to encode it.
  std::uint64_t unencoded = 0;
  /// A batch is being written for longer than a healthy store takes.
  bool stuck = false;
};

/// What the memory says about taking records.
enum class Intake {
  kOpen,
  /// Too much for the moment: one record at a time, with a short wait before each. What has been
  /// fetched stays where it is.
  kHeld,
  /// Partitions are paused in Kafka's client, which throws away what it has fetched of them.
  kPaused,
};

/// Keeps all batches within their share of the memory: batches are written early, and when that is
/// not enough, records are held back. Stuck lanes stop when all batches hold seven eighths of the
/// share, until half of it is free; the others have what stuck ones leave of nine eighths. A value
/// without I/O; the ingest thread asks it at each housekeeping.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t limit) : limit_(limit), share_(limit) {}

  /// Which lane's open batch should be written before it is due: the largest of a lane that writes
  /// nothing at present, from the moment when open batches hold half of their share. What is being
  /// written does not count: it is on its way out.
  [[nodiscard]] std::optional<std::size_t> to_flush(const std::vector<LaneMemory>& lanes) const;

  /// Of lanes that are not stuck. Held: while their batches are above their share, or columns that
  /// wait for an encoder above an eighth of it. Paused: from when that has lasted, until half of
  /// the share is free.
  Intake decide(const std::vector<LaneMemory>& lanes, SteadyTime now);
  /// What was decided last.
  [[nodiscard]] Intake intake() const { return intake_; }
  /// The same for this lane.
  [[nodiscard]] Intake intake_of(const LaneMemory& lane) const;
  [[nodiscard]] std::uint64_t limit() const { return limit_; }

 private:
  std::uint64_t limit_;
  /// Of lanes that are not stuck.
  std::uint64_t share_;
  Intake intake_ = Intake::kOpen;
  Intake intake_of_stuck_ = Intake::kOpen;
  SteadyTime held_since_;
};

/// Of all batches.
[[nodiscard]] std::uint64_t held_bytes(const std::vector<LaneMemory>& lanes);

}  // namespace bronze::ingest
