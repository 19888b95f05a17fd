#pragma once

#include "kafka/consumer.h"
#include "kafka/gap_look.h"

namespace bronze::kafka {

/// Reads ranges of offsets as a read_committed consumer does, to see whether there is any record:
/// control records, aborted transactions and what compaction removed do not show. Never joins a
/// group and commits nothing. Used by one thread.
class GapReader {
 public:
  /// Throws SettingsRefused.
  explicit GapReader(const SourceSettings& settings);

  /// Reads on from the first gap and skips what lies between gaps that are far apart. Ends early,
  /// with the trouble that says why, at the deadline, when nothing comes for half a minute, and
  /// after a million visible records.
  [[nodiscard]] GapLook read(const GapRequest& request);

 private:
  Consumer consumer_;
};

}  // namespace bronze::kafka
