#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/table_columns.h"
#include "commands/patience.h"
#include "commands/replay_batch.h"
#include "commands/replay_report.h"
#include "commands/replay_selection.h"
#include "commands/replay_validation.h"
#include "commands/verify_reading.h"
#include "delta/table_reader.h"
#include "delta/table_sink.h"
#include "ingest/backoff.h"

namespace bronze::commands {

struct TopicReplaySettings {
  std::string group;
  ReplayMode mode = ReplayMode::kWrite;
  /// What the main table must hold.
  RawValue raw_value = RawValue::kString;
  ReplayBatch::Limits batch;
  /// How long one call is tried again that fails for the moment.
  std::chrono::milliseconds write_retry{};
};

/// What a topic's replay works with; all outlive it.
struct TopicReplayParts {
  delta::TableReader& dead_letters;
  /// The main table, to look at and to write to.
  delta::TableReader& rows;
  delta::TableSink& table;
  decode::Decoder& decoder;
  const Clock& clock;
  const std::function<void(Duration)>& sleep;
};

/// Puts dead letters of one topic into its main table, as far as the present validators accept
/// them. Blocks; one thread; used once.
///
///   look at both tables -> which letters does the main table hold? -> read the letters that are
///   wanted -> validate -> commit, many in one -> ... -> done
///
/// Each commit moves the counts of replayed rows on from where they stood when the main table was
/// looked at: it lands only if nobody else has replayed since. Otherwise, and after a transient
/// fault, it looks at both tables again. So no letter is written twice, whatever dies when.
class TopicReplay {
 public:
  /// `query` names the topic.
  TopicReplay(TopicReplaySettings settings, TopicReplayParts parts, delta::LetterQuery query,
              const TellProgress& tell);

  [[nodiscard]] ReplayedTopic run();

 private:
  enum class Next {
    kGoOn,
    /// Look at both tables again.
    kStartOver,
    /// The same after a while.
    kTryLater,
    /// The report says how it ended.
    kEnd,
  };

  [[nodiscard]] Next pass();
  [[nodiscard]] Next load(delta::TableReader& table, ReplayStatus when_missing);
  [[nodiscard]] Next take_scope();
  [[nodiscard]] Next find_held();
  [[nodiscard]] Next scan(delta::TableReader& table, const delta::RowQuery& query, OffsetSets& into,
                          const OffsetSets* only);
  [[nodiscard]] Next replay_letters();
  [[nodiscard]] Next take(const delta::DeadLetter& letter);
  [[nodiscard]] Next write(const delta::DeadLetter& letter, const batch::Row& accepted);
  [[nodiscard]] Next commit();
  [[nodiscard]] Next attempt(ingest::CommitTask task);
  void committed(std::uint64_t version);

  /// A call to the store or the registry was answered.
  void succeeded();
  /// kEnd when the time for trying again is over.
  [[nodiscard]] Next try_later(const std::string& why);
  [[nodiscard]] Next fail(const std::string& why);
  /// What a call to the store came to, when it did not succeed.
  [[nodiscard]] Next failed(const delta::StoreOutcome& outcome);

  const TopicReplaySettings settings_;
  TopicReplayParts parts_;
  const delta::LetterQuery query_;
  const TellProgress& tell_;
  ingest::Backoff backoff_;
  Patience patience_;
  ReplayedTopic report_;
  /// What this run has committed, in all passes.
  OffsetSets committed_;

  // Of one pass.
  ReplayScope scope_;
  ReplayCounts replayed_counts_;
  delta::TableShape shape_;
  TableColumns columns_;
  /// Letters that were accepted.
  OffsetSets accepted_;
  std::unique_ptr<ReplayBatch> batch_;
  std::uint64_t rows_read_ = 0;
};

}  // namespace bronze::commands
