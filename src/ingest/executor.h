#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "decode/validator.h"
#include "delta/table_sink.h"
#include "ingest/batch_files.h"
#include "ingest/commit_attempt.h"
#include "ingest/dead_letter_facts.h"
#include "ingest/lane_table.h"

namespace bronze::ingest {

/// Numbers each batch of the process, and each strand of jobs.
using BatchId = std::uint64_t;
/// Checkpoints of all lanes, one after the other: tables that began together reach them together,
/// and would take all workers, and so many times the memory.
inline constexpr BatchId k_checkpoint_strand = 0;
/// A registry that does not answer holds up one worker at most.
inline constexpr BatchId k_schema_strand = 1;

struct StoreProbed {
  delta::StoreOutcome outcome;
};
/// The table is there, created if need be.
struct TableOpened {
  delta::StoreOutcome outcome;
};
struct TableLoaded {
  delta::StoreOutcome outcome;
  delta::SnapshotView view;
  bool has_data_files = false;
  /// See StartFacts.
  bool newest_entry_is_ours = false;
  OffsetMap last_offsets;
  std::optional<UnixMicros> last_ingestion;
  std::optional<DeadLetterFacts> dead_letters = {};
};
struct TopicRegistered {
  CommitResult result;
  /// Of the commit.
  std::string token;
};
struct ColumnsEncoded {
  BatchId batch = 0;
  /// The memory that the columns held.
  std::uint64_t column_bytes = 0;
  /// What the batch's files hold now.
  std::uint64_t encoded_bytes = 0;
};
struct FilesFinished {
  BatchId batch = 0;
  BatchFiles::Finished files;
};
struct CommitAttempted {
  BatchId batch = 0;
  CommitResult result;
};
struct SchemasFetched {
  std::vector<decode::FetchOutcome> outcomes;
};
struct CheckpointWritten {
  LaneTable table = LaneTable::kRows;
  delta::StoreOutcome outcome;
};
struct FilesDiscarded {};
/// The job threw: the process cannot go on.
struct JobFailed {
  std::string message;
};

using JobOutcome = std::variant<StoreProbed, TableOpened, TableLoaded, TopicRegistered,
                                ColumnsEncoded, FilesFinished, CommitAttempted, SchemasFetched,
                                CheckpointWritten, FilesDiscarded, JobFailed>;

/// A blocking piece of work that runs once on some worker thread.
class Job {
 public:
  virtual ~Job() = default;
  [[nodiscard]] virtual JobOutcome run() = 0;
};

template <typename Function>
[[nodiscard]] std::unique_ptr<Job> make_job(Function function) {
  class FunctionJob final : public Job {
   public:
    explicit FunctionJob(Function work) : work_(std::move(work)) {}
    JobOutcome run() override { return work_(); }

   private:
    Function work_;
  };
  return std::make_unique<FunctionJob>(std::move(function));
}

struct JobDone {
  /// Index of the lane that submitted it.
  std::size_t lane = 0;
  JobOutcome outcome;
};

/// Jobs of one strand run one after the other in the order of submission; strands run beside each
/// other. Submitting and taking results is for the ingest thread.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void submit(std::size_t lane, BatchId strand, std::unique_ptr<Job> job) = 0;
  [[nodiscard]] virtual std::vector<JobDone> take_done() = 0;
  /// Returns when a job has ended that `take_done` has not told of, or after `max_wait`.
  virtual void wait_done(std::chrono::milliseconds max_wait) = 0;
  /// A job of the lane has not run to its end, or `take_done` has not told of it.
  [[nodiscard]] virtual bool busy(std::size_t lane) const = 0;
  /// Names a strand that nobody else uses.
  [[nodiscard]] BatchId new_strand() { return ++last_strand_; }

 private:
  BatchId last_strand_ = k_schema_strand;
};

}  // namespace bronze::ingest
