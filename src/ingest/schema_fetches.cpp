#include "ingest/schema_fetches.h"

#include <algorithm>
#include <utility>

namespace bronze::ingest {
namespace {

/// About as many records as are taken in at once.
constexpr std::size_t k_ahead_max = 256;

}  // namespace

SchemaFetches::SchemaFetches(std::string topic, std::size_t lane, const Parts& parts)
    : topic_(std::move(topic)), lane_(lane), parts_(parts) {}

void SchemaFetches::wait_for(std::int32_t id, Partition partition) {
  const SteadyTime now = parts_.clock.now();
  const auto fetch =
      fetches_.try_emplace(id, Fetch{.waiting = {},
                                     .since = now,
                                     .not_before = now,
                                     .backoff = Backoff(static_cast<std::uint32_t>(lane_) + 43U),
                                     .trouble = {}});
  fetch.first->second.waiting.insert(partition);
  ahead_.erase(id);
}

void SchemaFetches::look_ahead(std::int32_t id) {
  if (ahead_.size() < k_ahead_max && !fetches_.contains(id)) ahead_.insert(id);
}

void SchemaFetches::keep_waiting(const std::set<Partition>& partitions) {
  for (auto& [id, fetch] : fetches_) {
    std::erase_if(fetch.waiting,
                  [&](Partition partition) { return !partitions.contains(partition); });
  }
  std::erase_if(fetches_, [](const auto& entry) { return entry.second.waiting.empty(); });
}

std::optional<SteadyTime> SchemaFetches::waiting_since() const {
  std::optional<SteadyTime> since;
  for (const auto& [id, fetch] : fetches_) {
    since = std::min(since.value_or(fetch.since), fetch.since);
  }
  return since;
}

std::vector<std::int32_t> SchemaFetches::due() const {
  std::vector<std::int32_t> ids;
  for (const auto& [id, fetch] : fetches_) {
    if (parts_.clock.now() >= fetch.not_before) ids.push_back(id);
  }
  return ids;
}

void SchemaFetches::step() {
  if (runs_) return;
  std::vector<std::int32_t> ids = due();
  if (ids.empty()) return;
  ids.insert(ids.end(), ahead_.begin(), ahead_.end());
  ahead_.clear();
  runs_ = true;
  parts_.executor.submit(
      lane_, k_schema_strand,
      make_job([validator = parts_.validator, wanted = std::move(ids)]() -> JobOutcome {
        return SchemasFetched{validator->fetch(wanted)};
      }));
}

std::set<Partition> SchemaFetches::take(const SchemasFetched& fetched) {
  runs_ = false;
  std::set<Partition> waited;
  for (const decode::FetchOutcome& outcome : fetched.outcomes) {
    const auto found = fetches_.find(outcome.id);
    if (found == fetches_.end()) continue;
    switch (outcome.status) {
      case decode::FetchStatus::kFetched:
        waited.merge(found->second.waiting);
        fetches_.erase(found);
        break;
      case decode::FetchStatus::kUnavailable:
        put_off(outcome, found->second);
        break;
      case decode::FetchStatus::kNotAsked:
        break;
    }
  }
  return waited;
}

void SchemaFetches::put_off(const decode::FetchOutcome& unavailable, Fetch& fetch) const {
  fetch.not_before = parts_.clock.now() + fetch.backoff.next();
  fetch.trouble.set("schema " + std::to_string(unavailable.id) +
                        " cannot be fetched from the registry: " + unavailable.message,
                    [&] {
                      const std::string& why = fetch.trouble.text();
                      return parts_.log.tell(
                          LogEvent::kRetry,
                          {.topic = topic_, .operation = "fetch_schema", .reason = why},
                          "{}: {}; trying again", topic_, why);
                    });
}

std::string SchemaFetches::trouble() const {
  const auto failed = std::find_if(fetches_.begin(), fetches_.end(), [](const auto& entry) {
    return !entry.second.trouble.text().empty();
  });
  return failed == fetches_.end() ? "" : failed->second.trouble.text();
}

SteadyTime SchemaFetches::next_deadline() const {
  SteadyTime next = SteadyTime::max();
  if (runs_) return next;
  for (const auto& [id, fetch] : fetches_) next = std::min(next, fetch.not_before);
  return next;
}

}  // namespace bronze::ingest
