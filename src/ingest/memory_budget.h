#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace bronze::ingest {

/// Bytes that the batches of a lane hold.
struct LaneMemory {
  /// Of the batch that still fills.
  std::uint64_t open = 0;
  /// Of the batch that is being written; 0 = none is.
  std::uint64_t writing = 0;
};

/// Keeps all batches within their share of the memory: batches are written early, and when that is
/// not enough, reading pauses. A value without I/O; the ingest thread asks it at each housekeeping.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t limit) : limit_(limit) {}

  /// Which lane's open batch should be written before it is due: the largest of a lane that writes
  /// nothing at present, from the moment when open batches hold half of the share. What is being
  /// written does not count: it is on its way out.
  [[nodiscard]] std::optional<std::size_t> to_flush(const std::vector<LaneMemory>& lanes) const;

  /// Whether reading is to pause: from the whole share on, until half of it is free.
  bool pauses(const std::vector<LaneMemory>& lanes);
  [[nodiscard]] bool paused() const { return paused_; }
  [[nodiscard]] std::uint64_t limit() const { return limit_; }

 private:
  std::uint64_t limit_;
  bool paused_ = false;
};

/// Of all batches.
[[nodiscard]] std::uint64_t held_bytes(const std::vector<LaneMemory>& lanes);

}  // namespace bronze::ingest
