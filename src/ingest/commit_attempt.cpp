#include "ingest/commit_attempt.h"

#include <utility>

#include "base/kill_point.h"
#include "base/sabotage.h"

namespace bronze::ingest {
namespace {

using delta::StoreStatus;

class Attempt {
 public:
  Attempt(delta::TableSink& table, const CommitTask& task, const Clock& clock)
      : table_(table), task_(task), clock_(clock), memory_(task.memory) {}

  CommitResult run() {
    const bool fresh = memory_.look != Look::kCached;
    if (fresh) {
      if (const auto failed = look()) return *failed;
    }
    if (!memory_.first_version) memory_.first_version = table_.snapshot().version;
    if (!fresh && landing_of(task_.steps, table_.snapshot().txns) == Landing::kNotLanded) {
      const auto entry = table_.confirm();
      if (entry.status == StoreStatus::kMissing) {
        // Cleaned up, wiped, replaced or created anew by somebody: only a fresh look can tell.
        memory_.look = Look::kLoad;
        if (const auto failed = look()) return *failed;
      } else if (!entry.ok()) {
        return retry(entry.message);
      }
    }
    switch (landing_of(task_.steps, table_.snapshot().txns)) {
      case Landing::kNotLanded:
        return put();
      case Landing::kAtNext:
        return look_for_token();
      case Landing::kMoved:
        return foreign("another writer moved the progress of these partitions");
    }
    return retry("unreachable");
  }

 private:
  std::optional<CommitResult> look() {
    const auto outcome = memory_.look == Look::kRefresh ? table_.refresh() : table_.load();
    memory_.look = outcome.ok() ? Look::kCached : Look::kLoad;
    if (outcome.ok()) return std::nullopt;
    return retry("the table cannot be read: " + outcome.message);
  }

  CommitResult look_for_token() {
    if (sabotaged(Sabotage::kNoTokenCheck)) return done(table_.snapshot().version);
    const auto lookup = table_.find_token(task_.token, *memory_.first_version);
    if (!lookup.outcome.ok()) {
      memory_.look = Look::kLoad;
      return retry("the log cannot be searched for our own commit: " + lookup.outcome.message);
    }
    if (lookup.found) return done(lookup.version);
    return foreign("another writer wrote the same offsets");
  }

  CommitResult put() {
    if (memory_.last_put && is_permanent(memory_.last_put->status)) {
      return result(CommitStatus::kFatal, memory_.last_put->message);
    }
    if (table_.snapshot().shape != task_.shape) {
      return result(CommitStatus::kRewind, "the table's metadata changed since the batch began");
    }
    if (task_.follows && table_.snapshot().version != *task_.follows) {
      return result(CommitStatus::kRewind, "the table changed since it was looked at");
    }
    if (task_.expires_at && clock_.now() >= *task_.expires_at) {
      return result(CommitStatus::kRewind,
                    "the batch's files are so old that a VACUUM could have removed them");
    }
    kill_point("commit_before_put");
    auto answer = table_.put(request());
    kill_point("commit_after_put");
    if (!answer.outcome.ok() && sabotaged(Sabotage::kBlindPutRetry)) {
      static_cast<void>(table_.load());
      answer = table_.put(request());
    }
    if (answer.outcome.ok()) return done(answer.version);
    const bool lost_a_race = answer.outcome.status == StoreStatus::kConflict;
    memory_.look = lost_a_race ? Look::kRefresh : Look::kLoad;
    memory_.last_put = answer.outcome;
    return retry(answer.outcome.message);
  }

  [[nodiscard]] delta::CommitRequest request() const {
    delta::CommitRequest request{.txns = {}, .parameters = task_.parameters, .files = task_.files};
    for (const auto& step : task_.steps) request.txns[step.app_id] = step.next;
    request.parameters[k_token_parameter] = task_.token;
    return request;
  }

  [[nodiscard]] CommitResult result(CommitStatus status, std::string message) const {
    return {.status = status,
            .message = std::move(message),
            .version = 0,
            .foreign = false,
            .memory = memory_};
  }
  [[nodiscard]] CommitResult retry(std::string message) const {
    return result(CommitStatus::kRetry, std::move(message));
  }
  [[nodiscard]] CommitResult done(std::uint64_t version) const {
    CommitResult done = result(CommitStatus::kDone, "");
    done.version = version;
    return done;
  }
  [[nodiscard]] CommitResult foreign(std::string message) const {
    CommitResult moved = result(CommitStatus::kRewind, std::move(message));
    moved.foreign = true;
    return moved;
  }

  delta::TableSink& table_;
  const CommitTask& task_;
  const Clock& clock_;
  AttemptMemory memory_;
};

}  // namespace

CommitResult attempt_commit(delta::TableSink& table, const CommitTask& task, const Clock& clock) {
  return Attempt(table, task, clock).run();
}

bool is_permanent(delta::StoreStatus status) {
  switch (status) {
    case StoreStatus::kDenied:
    case StoreStatus::kUnsupported:
    case StoreStatus::kFailed:
    case StoreStatus::kMissing:
      return true;
    case StoreStatus::kOk:
    case StoreStatus::kConflict:
    case StoreStatus::kTransient:
    case StoreStatus::kCorrupt:
      return false;
  }
  return false;
}

}  // namespace bronze::ingest
