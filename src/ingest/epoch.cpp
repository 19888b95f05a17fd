#include "ingest/epoch.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "base/sabotage.h"
#include "ingest/app_id.h"
#include "ingest/take_over.h"

namespace bronze::ingest {
namespace {

/// Progress under our group by topic: identity, as txns spell it -> partition -> next offset.
std::map<std::string, OffsetMap> progress_by_topic(const StartFacts& facts) {
  std::map<std::string, OffsetMap> found;
  const std::string prefix = group_prefix(facts.group);
  for (auto txn = facts.table.txns.lower_bound(prefix);
       txn != facts.table.txns.end() && txn->first.starts_with(prefix); ++txn) {
    const std::string rest = txn->first.substr(prefix.size());
    const auto slash = rest.find('/');
    if (slash == std::string::npos || rest.find('/', slash + 1) != std::string::npos) continue;
    std::int32_t partition = 0;
    const char* end = rest.data() + rest.size();
    const auto parsed = std::from_chars(rest.data() + slash + 1, end, partition);
    if (parsed.ec != std::errc{} || parsed.ptr != end) continue;
    found[rest.substr(0, slash)][Partition{partition}] = Offset{txn->second};
  }
  return found;
}

std::optional<Offset> start_of_epoch(const StartFacts& facts, const std::string& identity) {
  return position_in(facts.table.txns, epoch_app_id(facts.group, facts.topic, identity));
}

/// The topic that the table was written from last.
struct FormerTopic {
  std::string identity;
  OffsetMap progress;
};

FormerTopic former_topic(const StartFacts& facts) {
  FormerTopic former{.identity = "not known", .progress = {}};
  std::optional<std::int64_t> latest;
  for (const auto& [identity, progress] : progress_by_topic(facts)) {
    if (identity == percent_encode(facts.identity.text)) continue;
    // The first topic of a table has no start.
    const std::int64_t start = start_of_epoch(facts, identity).value_or(Offset{0}).value;
    if (latest && *latest > start) continue;
    latest = start;
    former = {.identity = identity, .progress = progress};
  }
  return former;
}

std::string written_of(const FormerTopic& former) {
  std::string written;
  for (const auto& [partition, next] : former.progress) {
    written += fmt::format("{}partition {} before offset {}", written.empty() ? "" : ", ",
                           number(partition), next.value);
  }
  return written.empty() ? "nothing is known to be written of the old one"
                         : "written of the old one is all of " + written;
}

/// `{cluster-id}:{topic}`, from a broker without topic ids.
bool is_name(const std::string& identity) { return identity.find(':') != std::string::npos; }

HaltTopic cannot_compare(const FormerTopic& former, const TopicIdentity& now) {
  return HaltTopic{fmt::format(
      "the table was written from topic {}, and Kafka now shows {}: one of the two comes from "
      "brokers without topic ids, so whether it is the same topic cannot be told, and "
      "ON_TOPIC_RECREATED does not apply. Go back to the brokers of before; or move the table and "
      "its dead-letter table away and use another KAFKA_CONSUMER_GROUP, to read the topic from "
      "KAFKA_START into new ones",
      former.identity, now.text)};
}

RegisterTopic new_epoch(const StartFacts& facts, Offset registered, const FormerTopic& former) {
  // A clock that was ahead left rows of later times. Far ahead, its rows are let be: the new
  // topic's would bear wrong dates for as long.
  std::int64_t start = facts.now;
  if (facts.last_ingestion && *facts.last_ingestion - facts.now <= k_lead_max_us) {
    start = std::max(start, *facts.last_ingestion + 1);
  }
  for (const auto& [identity, progress] : progress_by_topic(facts)) {
    start = std::max(start, start_of_epoch(facts, identity).value_or(Offset{0}).value + 1);
  }
  RegisterTopic epoch;
  epoch.replaces = former.identity;
  epoch.steps = {
      {registry_app_id(facts.group, facts.topic), registered.value, facts.identity.number},
      {epoch_app_id(facts.group, facts.topic, facts.identity.text), std::nullopt, start}};
  for (const Partition partition : facts.all_partitions) {
    Origin origin{Offset{0}, "the beginning of the topic that was created again"};
    if (sabotaged(Sabotage::kEpochAtOldPosition)) {
      const auto old = former.progress.find(partition);
      if (old != former.progress.end()) origin.offset = old->second;
    }
    epoch.steps.push_back({partition_app_id(facts.group, facts.identity, partition), std::nullopt,
                           origin.offset.value});
    epoch.origins.emplace(partition, origin);
  }
  return epoch;
}

}  // namespace

bool is_current_epoch(const StartFacts& facts, Offset registered) {
  if (registered.value != facts.identity.number) return false;
  if (!is_name(facts.identity.text)) return true;
  // All names have the same number: only the progress tells one cluster's from another's.
  const auto known = progress_by_topic(facts);
  return known.empty() || known.contains(percent_encode(facts.identity.text));
}

Resolution begin_epoch(const StartFacts& facts, Offset registered,
                       const std::set<Partition>& assigned) {
  const FormerTopic former = former_topic(facts);
  const std::string& now = facts.identity.text;
  if (former.progress.empty() ? (registered.value == 0) != is_name(now)
                              : is_name(former.identity) != is_name(now)) {
    return cannot_compare(former, facts.identity);
  }
  if (progress_by_topic(facts).contains(percent_encode(now))) {
    // A broker that lags behind shows the old id for a moment.
    StartDecisions decisions;
    for (const Partition partition : assigned) {
      decisions.partitions.emplace(
          partition,
          PartitionHalt{fmt::format("Kafka shows topic {}, of which the table has progress, but a "
                                    "later topic of this name ({}) has taken its place since. An "
                                    "older topic is not gone back to. If this service was pointed "
                                    "back to another cluster, move the table and its "
                                    "dead-letter table away and use another KAFKA_CONSUMER_GROUP",
                                    now, former.identity),
                        true});
    }
    return decisions;
  }
  const std::string what = fmt::format(
      "the topic was deleted and created again, or is on another cluster: its id was {} and is now "
      "{}; {}",
      former.identity, now, written_of(former));
  if (facts.policies.topic_recreated == OnTopicRecreated::kStop) {
    return HaltTopic{what +
                     ", and nothing of the new one. To have the new one in the same table from its "
                     "beginning, set ON_TOPIC_RECREATED=new_epoch and restart; for a table of its "
                     "own, move this one and its dead-letter table away and use another "
                     "KAFKA_CONSUMER_GROUP"};
  }
  if (others_moved_the_group(facts) && !facts.newest_entry_is_ours) {
    return HaltTopic{what + ". Another program moved the offsets of consumer group " + facts.group +
                     ", and the newest commit of the table is not ours: whether it wrote rows of "
                     "the new topic cannot be told. If it did not, delete the group's offsets of "
                     "this topic; otherwise move the table away, too"};
  }
  return new_epoch(facts, registered, former);
}

std::optional<UnixMicros> epoch_start(const StartFacts& facts) {
  const auto start = start_of_epoch(facts, facts.identity.text);
  return start ? std::optional(UnixMicros{start->value}) : std::nullopt;
}

std::optional<Offset> told_offset(const StartFacts& facts, Partition partition, Offset progress) {
  const auto told = facts.group_offsets.find(partition);
  if (told == facts.group_offsets.end()) return std::nullopt;
  // The table is ahead of what we tell Kafka of a topic; the group's offsets bear a name only.
  const bool is_of_another = told->second.offset > progress &&
                             (names_a_table(told->second.metadata) || epoch_start(facts));
  return is_of_another ? std::nullopt : std::optional(told->second.offset);
}

}  // namespace bronze::ingest
