#include "ingest/schema_fetches.h"

#include <algorithm>
#include <utility>

namespace bronze::ingest {

SchemaFetches::SchemaFetches(std::string topic, std::size_t lane, const Parts& parts)
    : topic_(std::move(topic)),
      lane_(lane),
      parts_(parts),
      backoff_(static_cast<std::uint32_t>(lane) + 43U) {}

void SchemaFetches::wait_for(std::int32_t id, Partition partition) {
  const auto [fetch, is_new] = fetches_.try_emplace(id);
  fetch->second.waiting.insert(partition);
  if (is_new) fetch->second.since = fetch->second.not_before = parts_.clock.now();
}

void SchemaFetches::keep_waiting(const std::set<Partition>& partitions) {
  for (auto& [id, fetch] : fetches_) {
    std::erase_if(fetch.waiting,
                  [&](Partition partition) { return !partitions.contains(partition); });
  }
  std::erase_if(fetches_, [](const auto& entry) {
    return entry.second.waiting.empty() && !entry.second.runs;
  });
  if (fetches_.empty()) trouble_.clear();
}

std::optional<SteadyTime> SchemaFetches::waiting_since() const {
  std::optional<SteadyTime> since;
  for (const auto& [id, fetch] : fetches_) {
    if (!fetch.waiting.empty()) since = std::min(since.value_or(fetch.since), fetch.since);
  }
  return since;
}

void SchemaFetches::step() {
  for (auto& [id, fetch] : fetches_) {
    if (fetch.runs || parts_.clock.now() < fetch.not_before) continue;
    fetch.runs = true;
    parts_.executor.submit(lane_, k_schema_strand,
                           make_job([validator = parts_.validator, wanted = id]() -> JobOutcome {
                             return SchemaFetched{wanted, validator->fetch(wanted)};
                           }));
  }
}

std::set<Partition> SchemaFetches::take(const SchemaFetched& fetched) {
  const auto found = fetches_.find(fetched.id);
  if (found == fetches_.end()) return {};
  Fetch& fetch = found->second;
  fetch.runs = false;
  if (fetched.outcome.status == decode::FetchStatus::kUnavailable) {
    fetch.not_before = parts_.clock.now() + backoff_.next();
    trouble_.set("schema " + std::to_string(fetched.id) +
                     " cannot be fetched from the registry: " + fetched.outcome.message,
                 [&] {
                   return parts_.log.tell(
                       LogEvent::kRetry,
                       {.topic = topic_, .operation = "fetch_schema", .reason = trouble_.text()},
                       "{}: {}; trying again", topic_, trouble_.text());
                 });
    return {};
  }
  backoff_.reset();
  trouble_.clear();
  auto waiting = std::move(fetch.waiting);
  fetches_.erase(found);
  return waiting;
}

SteadyTime SchemaFetches::next_deadline() const {
  SteadyTime next = SteadyTime::max();
  for (const auto& [id, fetch] : fetches_) {
    if (!fetch.runs) next = std::min(next, fetch.not_before);
  }
  return next;
}

}  // namespace bronze::ingest
