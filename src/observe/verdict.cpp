#include "observe/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/readable.h"

namespace bronze::observe {
namespace {

using ingest::LaneReport;
using std::chrono::seconds;

/// Beyond the batch interval.
constexpr seconds k_late{60};
/// What is further away is told of its topic only. The alert has the same.
constexpr std::chrono::hours k_risk_is_near{24};
constexpr seconds k_trend_min{300};
/// A smaller change is none.
constexpr double k_change = 0.05;
constexpr std::size_t k_trend_steps_min = 4;
constexpr std::size_t k_message_max = 200;

double in_seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

std::string is_or_are(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}", counted(count, noun), count == 1 ? "is" : "are");
}

/// `2 others go on.`
std::string go_on(std::size_t count, std::string_view noun) {
  if (count == 0) return "Nothing is copied.";
  return fmt::format("{} {} on.", counted(count, noun), count == 1 ? "goes" : "go");
}

std::string first_reason(const Judgement& live, const Judgement& ready) {
  if (!live.reasons.empty()) return live.reasons.front();
  return ready.reasons.empty() ? "" : ready.reasons.front();
}

/// nullptr = none does within a day.
const LaneReport* soonest_to_lose(const std::vector<LaneReport>& lanes) {
  const LaneReport* soonest = nullptr;
  Duration least = k_risk_is_near;
  for (const LaneReport& lane : lanes) {
    const auto left = loses_data_in(lane);
    if (!left || *left >= least) continue;
    soonest = &lane;
    least = *left;
  }
  return soonest;
}

Verdict judge_risk(const LaneReport& lane) {
  const double left = in_seconds(*loses_data_in(lane));
  return {.tone = Tone::kBad,
          .headline = left > 0 ? fmt::format("Records will be lost in about {}", about_text(left))
                               : "Records have been lost",
          .doing = fmt::format("Kafka deletes records of {} before they are copied.", lane.topic),
          .advice =
              "Raise the retention of the topic now, then remove what holds it up, or start "
              "another instance."};
}

std::string shortened(std::string text) {
  if (text.size() <= k_message_max) return text;
  std::size_t end = k_message_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  return text + " …";
}

struct Silence {
  std::string_view who;
  std::optional<Duration> since;
  std::string_view consequence;
  std::string advice;
  /// Empty = not known.
  std::string why = {};
};

/// Who has just started gives them time to answer first.
Verdict judge_silence(const Silence& silence, const Health& health) {
  const std::string why = silence.why.empty() ? "" : ": " + shortened(silence.why);
  if (!silence.since && health.healthy) {
    return {.tone = Tone::kBusy,
            .headline = "Starting",
            .doing = fmt::format("{} has not answered yet{}.", silence.who, why),
            .advice = fmt::format("Wait. If it lasts: {}", silence.advice)};
  }
  const std::string since =
      silence.since ? "for " + about_text(in_seconds(*silence.since)) : std::string("yet");
  return {.tone = Tone::kBad,
          .headline = fmt::format("{} does not answer", silence.who),
          .doing = fmt::format("{} has not answered {}{}.{}", silence.who, since, why,
                               silence.consequence),
          .advice = silence.advice};
}

std::optional<Verdict> judge_parts(const Observation& seen) {
  if (!kafka_answers(seen)) {
    const auto last = seen.report.last_broker_answer;
    return judge_silence(
        {.who = "Kafka",
         .since = last ? std::optional(seen.now - *last) : std::nullopt,
         .consequence = "",
         .advice = fmt::format("Check the brokers at {}, the network and the credentials. Reading "
                               "goes on by itself.",
                               seen.facts.kafka),
         .why = seen.report.kafka_trouble},
        seen.health);
  }
  if (!store_answers(seen)) {
    return judge_silence(
        {.who = "The store",
         .since = seen.store.last_answer,
         .consequence = " Records wait in Kafka, none is lost.",
         .advice = fmt::format("Check the store of {}, the network and the keys. Writing goes on "
                               "by itself.",
                               seen.facts.store)},
        seen.health);
  }
  return std::nullopt;
}

std::optional<Verdict> judge_group(const Observation& seen) {
  if (seen.report.group_trouble.empty()) return std::nullopt;
  return Verdict{.tone = Tone::kBad,
                 .headline = "The consumer group does not let this instance in",
                 .doing = shortened(seen.report.group_trouble),
                 .advice = "Remove the cause: reading begins by itself then."};
}

Verdict judge_failing(const std::vector<const LaneReport*>& failing, const Observation& seen) {
  const LaneReport& first = *failing.front();
  const Trouble* said = first_about(seen.troubles, first.topic);
  return {.tone = Tone::kWarn,
          .headline = fmt::format("Writes of {} fail and are tried again",
                                  counted(failing.size(), "topic")),
          .doing = said ? shortened(said->message)
                        : fmt::format("{}: the last {} tries to write failed.", first.topic,
                                      first.failures),
          .advice = "If it lasts, check the store."};
}

std::optional<Verdict> judge_topics(const Observation& seen, const std::string& reason) {
  const auto& lanes = seen.report.lanes;
  const std::size_t stopped = count_of(lanes, ingest::PartitionActivity::kStopped);
  if (stopped > 0) {
    return Verdict{.tone = Tone::kBad,
                   .headline = is_or_are(stopped, "partition") + " stopped",
                   .doing = go_on(assigned_of(lanes) - stopped, "other"),
                   .advice =
                       "Read the reason, remove the cause before Kafka deletes the records, then "
                       "restart the service."};
  }
  const auto& refused = seen.report.refused;
  if (!refused.empty()) {
    return Verdict{.tone = Tone::kBad,
                   .headline = is_or_are(refused.size(), "topic") + " not copied",
                   .doing = go_on(lanes.size(), "topic"),
                   .advice =
                       "Read the reason below, and name the topics so that each has a table "
                       "of its own."};
  }
  if (!seen.health.healthy) {
    return Verdict{.tone = Tone::kBad,
                   .headline = "Not well",
                   .doing = reason,
                   .advice = "Look at the last errors below."};
  }
  std::vector<const LaneReport*> failing;
  for (const LaneReport& lane : lanes) {
    if (lane.failures > 0) failing.push_back(&lane);
  }
  if (!failing.empty()) return judge_failing(failing, seen);
  if (reason.empty()) return std::nullopt;
  Verdict waiting{.tone = Tone::kBusy,
                  .headline = "Starting",
                  .doing = reason,
                  .advice = "Wait; if it lasts, run bronze check."};
  const auto held_up = static_cast<std::size_t>(std::count_if(
      lanes.begin(), lanes.end(), [](const LaneReport& lane) { return !lane.trouble.empty(); }));
  if (held_up > 0) {
    waiting.tone = Tone::kWarn;
    waiting.headline = fmt::format("{} held up", is_or_are(held_up, "topic"));
  }
  return waiting;
}

enum class Way { kNotKnown, kGrows, kStays, kFalls };

struct Trend {
  Way way = Way::kNotKnown;
  /// When the lag is gone at this pace. Of kFalls only.
  double seconds_left = 0;
};

/// Compares the halves of the last five minutes, or of two batch intervals if that is longer: the
/// lag rises until a batch is written, and each half has as many batches as the other.
Trend trend_of(const Observation& seen) {
  const std::size_t steps =
      History::steps_in(std::max<Duration>(k_trend_min, 2 * seen.facts.batch_interval));
  const auto& history = seen.history.steps;
  std::vector<double> lags;
  for (std::size_t i = history.size() - std::min(steps, history.size()); i < history.size(); ++i) {
    if (history[i].lag) lags.push_back(static_cast<double>(*history[i].lag));
  }
  if (lags.size() < k_trend_steps_min) return {};
  const auto middle = lags.begin() + static_cast<std::ptrdiff_t>(lags.size() / 2);
  const double half = static_cast<double>(lags.size()) / 2;
  const double before = std::accumulate(lags.begin(), middle, 0.0) / half;
  const double after = std::accumulate(middle, lags.end(), 0.0) / half;
  const double change = 2 * (after - before);
  if (change > k_change * before) return {.way = Way::kGrows};
  if (change >= -k_change * before) return {.way = Way::kStays};
  const double half_seconds = half * static_cast<double>(History::k_step.count());
  return {.way = Way::kFalls, .seconds_left = lags.back() * half_seconds / (before - after)};
}

/// Nothing of it was written or taken in for so long.
bool stands_still(const LaneReport& lane, const Observation& seen, Duration duration) {
  const SteadyTime never{};
  const SteadyTime moved = std::max({seen.report.started_at, lane.last_write.value_or(never),
                                     lane.oldest_unwritten.value_or(never)});
  return seen.now - moved > duration;
}

struct Lateness {
  /// The greatest age of a topic's records that are in no table, by the time that they bear.
  double oldest_seconds = 0;
  /// That topic, or another late one, does not move at all.
  bool stands_still = false;
};

Lateness lateness_of(const Observation& seen, Duration due) {
  Lateness late;
  for (const LaneReport& lane : seen.report.lanes) {
    const double age = lag_seconds_of(lane, seen.wall).value_or(0);
    late.oldest_seconds = std::max(late.oldest_seconds, age);
    if (age > in_seconds(due) && stands_still(lane, seen, due)) late.stands_still = true;
  }
  return late;
}

enum class Pace { kNotKnown, kKeepsUp, kIsBehind };

/// Records may bear any time, so their age alone says nothing: who is behind has had more to go,
/// for as long as a batch takes to be due, than is copied in that time.
Pace pace_of(const Observation& seen, double rows_per_second, Duration due) {
  const auto& history = seen.history.steps;
  const std::size_t wanted = History::steps_in(due);
  std::optional<std::int64_t> least;
  for (std::size_t i = history.size() - std::min(wanted, history.size()); i < history.size(); ++i) {
    if (history[i].lag) least = std::min(least.value_or(*history[i].lag), *history[i].lag);
  }
  const bool nothing_due = rows_per_second == 0 && history.size() < wanted;
  if (!least || nothing_due) return Pace::kNotKnown;
  const bool is_behind = static_cast<double>(*least) > rows_per_second * in_seconds(due);
  return is_behind ? Pace::kIsBehind : Pace::kKeepsUp;
}

Verdict judge_behind(const Observation& seen, const std::string& behind) {
  const Trend trend = trend_of(seen);
  if (trend.way == Way::kFalls) {
    return {.tone = Tone::kBusy,
            .headline = "Catching up",
            .doing = fmt::format("About {} left: {}", about_text(trend.seconds_left), behind),
            .advice = "Nothing to do but wait."};
  }
  constexpr const char* k_help = "ive it more CPU, or start another instance of the group.";
  if (trend.way == Way::kGrows) {
    return {.tone = Tone::kWarn,
            .headline = "Behind, and falling further behind",
            .doing = behind,
            .advice = std::string("G") + k_help};
  }
  return {.tone = Tone::kWarn,
          .headline = "Behind",
          .doing = behind,
          .advice = std::string("If it lasts, g") + k_help};
}

/// nullopt = nothing is late.
std::optional<Verdict> judge_late(const Observation& seen, std::int64_t lag, double rows_per_second,
                                  const std::string& dead) {
  const Duration due = seen.facts.batch_interval + k_late;
  const Lateness late = lateness_of(seen, due);
  if (late.oldest_seconds <= in_seconds(due)) return std::nullopt;
  const std::string behind =
      fmt::format("{} to go, up to {} old, at {} rows a second.{}",
                  counted(static_cast<std::uint64_t>(lag), "record"),
                  about_text(late.oldest_seconds), rate_text(rows_per_second), dead);
  if (late.stands_still) return judge_behind(seen, behind);
  switch (pace_of(seen, rows_per_second, due)) {
    case Pace::kKeepsUp:
      return std::nullopt;
    case Pace::kNotKnown:
      return Verdict{.tone = Tone::kBusy,
                     .headline = "Starting",
                     .doing = behind,
                     .advice = "Wait: the first batches will show how fast it is."};
    case Pace::kIsBehind:
      break;
  }
  return judge_behind(seen, behind);
}

Verdict judge_pace(const Observation& seen) {
  const auto& lanes = seen.report.lanes;
  if (seen.report.intake == ingest::Intake::kPaused) {
    return {.tone = Tone::kWarn,
            .headline = "Reading pauses",
            .doing = "The memory for batches is full, because the store is slow.",
            .advice = "If it lasts, look at the store, or raise MEMORY_LIMIT_MB."};
  }
  if (assigned_of(lanes) == 0) {
    return {.tone = Tone::kBusy,
            .headline = "Well, and without work",
            .doing = "No partition is assigned to this instance.",
            .advice = "Nothing to do if other instances have them; otherwise check KAFKA_TOPICS."};
  }
  const std::uint64_t letters = seen.report.totals().dead_letters.count;
  const std::string dead = letters == 0
                               ? ""
                               : fmt::format(" {} went to the dead letters since the start.",
                                             counted(letters, "record"));
  const auto lag = lag_of(lanes);
  const double rate = rates_of(seen).value_or(Rates{}).rows_per_second;
  const std::string pace = rate_text(rate) + " rows a second";
  if (lag) {
    if (auto late = judge_late(seen, *lag, rate, dead)) return *std::move(late);
  }
  const bool idle = rate == 0 && lag == 0;
  return {.tone = Tone::kWell,
          .headline = "All is well",
          .doing = idle ? "Everything is in the tables, and nothing new arrives." + dead
                        : fmt::format("Copying {} at {}{}.{}", counted(lanes.size(), "topic"), pace,
                                      lag ? ", nothing is late" : "", dead),
          .advice = "Nothing to do."};
}

}  // namespace

Verdict verdict_of(const Observation& seen) {
  const Judgement live = judge_live(seen);
  const Judgement ready = judge_ready(seen);
  const std::string reason = first_reason(live, ready);
  if (!live.holds) {
    return {.tone = Tone::kBad,
            .headline = "The service hangs",
            .doing = reason,
            .advice = "Restart it: what is not written is read again."};
  }
  if (const LaneReport* lane = soonest_to_lose(seen.report.lanes)) return judge_risk(*lane);
  if (auto verdict = judge_parts(seen)) return *std::move(verdict);
  if (auto verdict = judge_group(seen)) return *std::move(verdict);
  if (auto verdict = judge_topics(seen, reason)) return *std::move(verdict);
  return judge_pace(seen);
}

}  // namespace bronze::observe
