#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "delta/table_sink.h"
#include "ingest/progress.h"

namespace bronze::ingest {

/// Name of the commitInfo.operationParameters entry that holds a batch's token. The bridge looks
/// for it under this name.
inline constexpr const char* k_token_parameter = "bronzeToken";

/// How an attempt sees the table before it decides.
enum class Look {
  /// By the cached snapshot, if its log entry is still there.
  kCached,
  /// By what came after the cached snapshot.
  kRefresh,
  /// By nothing but the store.
  kLoad,
};

/// What one attempt leaves for the next.
struct AttemptMemory {
  /// Version of the first attempt's snapshot: our token can only be after it.
  std::optional<std::uint64_t> first_version;
  /// What the last PUT came back with, when that was not success.
  std::optional<delta::StoreOutcome> last_put;
  Look look = Look::kCached;
};

/// One commit to make: a compare-and-swap on the table's txns.
struct CommitTask {
  std::vector<TxnStep> steps;
  /// Stable over all attempts, unique to this commit.
  std::string token;
  std::map<std::string, std::string> parameters;
  std::vector<const delta::FileSink*> files;
  /// What the files were written for.
  delta::TableShape shape;
  /// The only snapshot that the commit may follow; nullopt = any that has its bases.
  std::optional<std::uint64_t> follows;
  /// The oldest file must be younger than MAX_FILE_AGE when the PUT goes out; nullopt = no file.
  std::optional<SteadyTime> expires_at;
  AttemptMemory memory;
};

enum class CommitStatus {
  /// The commit is in the table, once.
  kDone,
  /// Not known, or not landed yet: try again later.
  kRetry,
  /// It has not landed and never will as it is: start over from the table.
  kRewind,
  /// It has not landed, and trying again cannot help.
  kFatal,
};

struct [[nodiscard]] CommitResult {
  CommitStatus status = CommitStatus::kRetry;
  std::string message;
  std::uint64_t version = 0;
  /// kRewind because another writer moved our txns.
  bool foreign = false;
  AttemptMemory memory;
};

/// One attempt: look at the table, decide, and only then PUT. Blocks; any thread, one attempt of a
/// table at a time.
///
///   all txns at base               -> not landed: PUT at the snapshot's version + 1
///   all txns at next, token in log -> landed: done
///   anything else                  -> rewind
///   table not readable             -> retry; no outcome is ever assumed
[[nodiscard]] CommitResult attempt_commit(delta::TableSink& table, const CommitTask& task,
                                          const Clock& clock);

/// Whether trying again cannot change such an answer.
[[nodiscard]] bool is_permanent(delta::StoreStatus status);

}  // namespace bronze::ingest
