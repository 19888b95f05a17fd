#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/event_log.h"
#include "base/ids.h"
#include "decode/validator.h"
#include "ingest/backoff.h"
#include "ingest/executor.h"
#include "ingest/standing_trouble.h"

namespace bronze::ingest {

/// The schemas of a registry that partitions of a lane wait for. What gets no answer is asked for
/// again, with growing waits, for ever: that a registry does not answer is no fault of any record.
/// Owned by its lane; ingest thread; nothing blocks.
class SchemaFetches {
 public:
  struct Parts {
    Executor& executor;
    const Clock& clock;
    EventLog& log;
    /// Outlives every job; nullptr = nothing will be waited for.
    decode::Validator* validator;
  };
  SchemaFetches(std::string topic, std::size_t lane, const Parts& parts);

  /// The partition's next record cannot be judged before the schema is there.
  void wait_for(std::int32_t id, Partition partition);
  /// A later record will need the schema: it is asked for along with one that is waited for, once,
  /// unless there are too many.
  void look_ahead(std::int32_t id);
  /// Nothing is waited for.
  [[nodiscard]] bool empty() const { return fetches_.empty(); }
  /// Others than these wait no more, e.g. since they were taken away.
  void keep_waiting(const std::set<Partition>& partitions);
  /// Since when a partition has waited; nullopt = none does.
  [[nodiscard]] std::optional<SteadyTime> waiting_since() const;
  /// The partitions that can go on; some may have been taken away meanwhile.
  [[nodiscard]] std::set<Partition> take(const SchemasFetched& fetched);
  /// Submits what is due, all in one job, unless one runs.
  void step();
  [[nodiscard]] SteadyTime next_deadline() const;
  /// Why one that is waited for failed last; empty = none has.
  [[nodiscard]] std::string trouble() const;

 private:
  struct Fetch {
    std::set<Partition> waiting;
    SteadyTime since;
    SteadyTime not_before;
    Backoff backoff;
    /// Why it failed last.
    StandingTrouble trouble;
  };

  [[nodiscard]] std::vector<std::int32_t> due() const;
  void put_off(const decode::FetchOutcome& unavailable, Fetch& fetch) const;

  const std::string topic_;
  const std::size_t lane_;
  const Parts parts_;
  std::map<std::int32_t, Fetch> fetches_;
  std::set<std::int32_t> ahead_;
  bool runs_ = false;
};

}  // namespace bronze::ingest
