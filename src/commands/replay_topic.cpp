#include "commands/replay_topic.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <variant>

#include "base/kill_point.h"
#include "base/sabotage.h"
#include "config/topic_tables.h"
#include "ingest/app_id.h"
#include "ingest/resolve.h"

namespace bronze::commands {
namespace {

/// See LaneWriter: who has lost a race must not be late for the next ones too.
constexpr std::chrono::milliseconds k_race_wait_max{400};

}  // namespace

TopicReplay::TopicReplay(TopicReplaySettings settings, TopicReplayParts parts,
                         delta::LetterQuery query, const TellProgress& tell)
    : settings_(std::move(settings)),
      parts_(parts),
      query_(std::move(query)),
      tell_(tell),
      backoff_(static_cast<std::uint32_t>(std::hash<std::string>{}(query_.topic))),
      patience_(settings_.write_retry) {
  report_.topic = query_.topic;
  report_.table = config::table_directory(query_.topic);
  report_.dead_letter_table = config::dead_letter_directory(query_.topic);
}

ReplayedTopic TopicReplay::run() {
  for (Next next = Next::kStartOver; next != Next::kEnd;) {
    report_.counts.clear();
    accepted_.clear();
    rows_read_ = 0;
    patience_.begin_pass();
    next = pass();
    batch_.reset();
    if (next == Next::kTryLater || next == Next::kStartOver) parts_.sleep(backoff_.next());
    if (next == Next::kGoOn) next = Next::kEnd;
  }
  return std::move(report_);
}

TopicReplay::Next TopicReplay::pass() {
  using Step = Next (TopicReplay::*)();
  Next next = load(parts_.dead_letters, ReplayStatus::kNoDeadLetters);
  if (next == Next::kGoOn) next = load(parts_.rows, ReplayStatus::kFailed);
  for (const Step step :
       {&TopicReplay::take_scope, &TopicReplay::find_held, &TopicReplay::replay_letters}) {
    if (next == Next::kGoOn) next = (this->*step)();
  }
  return next;
}

TopicReplay::Next TopicReplay::load(delta::TableReader& table, ReplayStatus when_missing) {
  const auto outcome = table.load();
  if (outcome.ok()) {
    succeeded();
    return Next::kGoOn;
  }
  if (outcome.status != delta::StoreStatus::kMissing) return failed(outcome);
  if (when_missing == ReplayStatus::kFailed) {
    return fail(
        fmt::format("there is no table {}: the service has written nothing of the topic, "
                    "or DELTA_BASE_PATH is another one",
                    report_.table));
  }
  report_.status = when_missing;
  return Next::kEnd;
}

TopicReplay::Next TopicReplay::take_scope() {
  const auto& view = parts_.rows.snapshot();
  auto refusal = ingest::refusal_of(view.shape);
  if (!refusal) refusal = ingest::raw_value_refusal(view.shape, settings_.raw_value);
  if (refusal) return fail(fmt::format("{} cannot be written: {}", report_.table, *refusal));
  const auto unreadable = why_unreadable(parts_.dead_letters.snapshot().shape);
  if (!unreadable.empty()) {
    return fail(fmt::format("{} cannot be read: {}", report_.dead_letter_table, unreadable));
  }
  shape_ = view.shape;
  columns_ = {.raw_value = settings_.raw_value, .extra = ingest::extra_columns_of(shape_)};
  TopicFacts facts;
  facts.topic = query_.topic;
  facts.group = settings_.group;
  read_txns(view.txns, facts);
  if (!facts.merged_identities.empty()) {
    return fail(fmt::format("{} holds rows of {} topics of this name that cannot be told apart",
                            report_.table, facts.merged_identities.size() + 1));
  }
  const std::string before = std::exchange(scope_, {}).identity;
  replayed_counts_ = {};
  if (!facts.registered) return Next::kGoOn;
  const EpochFacts& current = facts.current();
  if (current.identity != before) committed_.clear();
  scope_.identity = current.identity;
  scope_.since = current.since;
  replayed_counts_.prefix = ingest::group_prefix(settings_.group) + current.identity + "/";
  for (const auto& [partition, of] : current.partitions) {
    if (of.progress) scope_.progress[partition] = *of.progress;
    const auto known = view.txns.find(replayed_counts_.app_id(partition));
    if (known != view.txns.end()) replayed_counts_.rows[partition] = known->second;
  }
  return Next::kGoOn;
}

TopicReplay::Next TopicReplay::find_held() {
  if (scope_.identity.empty()) return Next::kGoOn;
  const std::vector<UnixMicros> epochs =
      scope_.since == 0 ? std::vector<UnixMicros>{} : std::vector<UnixMicros>{scope_.since};
  OffsetSets dead;
  delta::RowQuery of_letters{.epochs = epochs, .topic = query_.topic};
  if (const Next next = scan(parts_.dead_letters, of_letters, dead, nullptr); next != Next::kGoOn) {
    return next;
  }
  delta::RowQuery of_rows{.epochs = epochs, .topic = ""};
  for (const auto& [partition, offsets] : dead) {
    of_rows.within[partition] = {*offsets.first_present(Offset{0}), offsets.last().following()};
  }
  if (dead.empty()) return Next::kGoOn;
  if (sabotaged(Sabotage::kReplayWithoutLook)) return Next::kGoOn;
  if (sabotaged(Sabotage::kLostReplayAgain) && patience_.is_tried()) return Next::kGoOn;
  return scan(parts_.rows, of_rows, scope_.held, &dead);
}

TopicReplay::Next TopicReplay::scan(delta::TableReader& table, const delta::RowQuery& query,
                                    OffsetSets& into, const OffsetSets* only) {
  const auto scan = table.scan_rows(query);
  std::uint64_t files = 0;
  for (bool done = false; !done;) {
    const auto part = scan->advance();
    if (!part.outcome.ok()) return failed(part.outcome);
    for (const auto& file : part.files) {
      // What it holds of the letters must be known.
      if (!file.outcome.ok()) return failed(file.outcome);
    }
    succeeded();
    for (const auto& run : part.runs) {
      if (run.epoch != query.epochs.size()) continue;
      if (only == nullptr) {
        into[run.partition].add(run.range);
      } else if (const auto wanted = only->find(run.partition); wanted != only->end()) {
        add_common(run.range, wanted->second, into[run.partition]);
      }
    }
    files += part.files.size();
    done = part.done;
    tell_(fmt::format("{}: looking for what was replayed before: {} files of {} read", query_.topic,
                      files, only == nullptr ? report_.dead_letter_table : report_.table));
  }
  return Next::kGoOn;
}

TopicReplay::Next TopicReplay::replay_letters() {
  kill_point("replay_after_look");
  if (settings_.mode == ReplayMode::kWrite) {
    const auto outcome = parts_.table.load();
    if (!outcome.ok()) return failed(outcome);
    succeeded();
  }
  const auto scan = parts_.dead_letters.scan_letters(query_);
  for (bool done = false; !done;) {
    const auto part = scan->advance();
    if (!part.outcome.ok()) return failed(part.outcome);
    succeeded();
    rows_read_ += part.rows_read;
    for (const auto& letter : part.letters) {
      if (const Next next = take(letter); next != Next::kGoOn) return next;
    }
    done = part.done;
    tell_(fmt::format("{}: {} dead letters read, {} {}", query_.topic, rows_read_,
                      report_.letters(Fate::kReplayed),
                      settings_.mode == ReplayMode::kDryRun ? "would be replayed" : "replayed"));
  }
  return commit();
}

TopicReplay::Next TopicReplay::take(const delta::DeadLetter& letter) {
  const auto count = [&](FateKey fate, const std::string& sample = "") {
    report_.count(letter.error_type, std::move(fate), 1, sample);
    return Next::kGoOn;
  };
  // Letters of an older topic repeat offsets of this one.
  const auto fate = fate_of(letter, scope_);
  if (fate && *fate != Fate::kAlreadyThere) return count({*fate, ""});
  if (contains(accepted_, letter.partition, letter.offset)) {
    return count({Fate::kAlreadyThere, ""});
  }
  if (contains(committed_, letter.partition, letter.offset)) {
    insert(accepted_, letter.partition, letter.offset);
    return count({Fate::kReplayed, ""});
  }
  if (fate) return count({*fate, ""});
  const auto original = original_value(letter, columns_);
  const auto* value = std::get_if<std::optional<std::string_view>>(&original);
  if (value == nullptr) return count({Fate::kBytesNotKept, ""});
  const Record record{.topic = query_.topic,
                      .partition = letter.partition,
                      .offset = letter.offset,
                      .timestamp_ms = std::nullopt,
                      .value = *value};
  const auto validity = judge(parts_.decoder, record, 0);
  if (const auto* later = std::get_if<NotToldYet>(&validity)) return try_later(later->message);
  succeeded();
  if (const auto* error = std::get_if<decode::RecordError>(&validity)) {
    return count({Fate::kStillBad, error->type}, error->message);
  }
  insert(accepted_, letter.partition, letter.offset);
  if (settings_.mode == ReplayMode::kDryRun) return count({Fate::kReplayed, ""});
  return write(letter, std::get<batch::Row>(validity));
}

TopicReplay::Next TopicReplay::write(const delta::DeadLetter& letter, const batch::Row& accepted) {
  if (!batch_) {
    // No row of an epoch is older than its beginning.
    batch_ = std::make_unique<ReplayBatch>(
        parts_.table, columns_, std::max(parts_.clock.wall(), scope_.since), parts_.clock.now());
  }
  std::vector<Header> headers;
  for (const auto& header : letter.headers) {
    headers.push_back(
        {header.key, header.value ? std::optional<std::string_view>(*header.value) : std::nullopt});
  }
  // Dead letters do not keep the type of their timestamp.
  const batch::RowExtras extras{
      .topic = query_.topic,
      .key = letter.key ? std::optional<std::string_view>(*letter.key) : std::nullopt,
      .headers = headers,
      .timestamp_type = std::nullopt};
  batch::Row row = accepted;
  row.kafka_timestamp = letter.kafka_timestamp;
  row.ingested_at = batch_->ingested_at();
  row.extras = &extras;
  batch_->add(row, letter.error_type);
  kill_point("replay_mid_batch");
  return batch_->full(settings_.batch, parts_.clock.now()) ? commit() : Next::kGoOn;
}

TopicReplay::Next TopicReplay::commit() {
  if (!batch_) return Next::kGoOn;
  for (auto uploaded = batch_->finish(); !uploaded.ok(); uploaded = batch_->finish()) {
    // The table's columns changed, or parts are gone from the store.
    if (uploaded.status == delta::StoreStatus::kConflict) return Next::kStartOver;
    if (const Next next = failed(uploaded); next != Next::kTryLater) return next;
    parts_.sleep(backoff_.next());
  }
  succeeded();
  auto task = batch_->task(query_.topic, replayed_counts_);
  task.shape = shape_;
  // A topic that was created again since has another number there: its rows must not get these.
  const std::string registry = ingest::registry_app_id(settings_.group, query_.topic);
  const std::int64_t registered = parts_.rows.snapshot().txns.at(registry);
  task.steps.push_back({.app_id = registry, .base = registered, .next = registered});
  return attempt(std::move(task));
}

TopicReplay::Next TopicReplay::attempt(ingest::CommitTask task) {
  kill_point("replay_before_commit");
  for (;;) {
    const auto result = ingest::attempt_commit(parts_.table, task, parts_.clock);
    task.memory = result.memory;
    switch (result.status) {
      case ingest::CommitStatus::kDone:
        kill_point("replay_after_commit");
        committed(result.version);
        return Next::kGoOn;
      case ingest::CommitStatus::kRewind:
        return Next::kStartOver;
      case ingest::CommitStatus::kFatal:
        return fail(result.message);
      case ingest::CommitStatus::kRetry:
        // A lost race is no failure.
        if (result.memory.look == ingest::Look::kRefresh) {
          parts_.sleep(backoff_.next(k_race_wait_max));
          continue;
        }
        if (const Next next = try_later(result.message); next != Next::kTryLater) return next;
        if (sabotaged(Sabotage::kLostReplayAgain)) return Next::kStartOver;
        parts_.sleep(backoff_.next());
    }
  }
}

void TopicReplay::committed(std::uint64_t version) {
  for (const auto& [error_type, rows] : batch_->rows_by_error()) {
    report_.count(error_type, {Fate::kReplayed, ""}, rows);
  }
  for (const auto& [partition, offsets] : batch_->offsets()) {
    replayed_counts_.rows[partition] += static_cast<std::int64_t>(offsets.size());
    OffsetSet& all = committed_[partition];
    add_common({Offset{0}, offsets.last().following()}, offsets, all);
  }
  ++report_.commits;
  tell_(fmt::format("{}: {} rows committed as version {} of {}", query_.topic, batch_->rows(),
                    version, report_.table));
  batch_.reset();
  patience_.forget();
  backoff_.reset();
}

void TopicReplay::succeeded() {
  if (patience_.succeeded()) backoff_.reset();
}

TopicReplay::Next TopicReplay::try_later(const std::string& why) {
  if (patience_.failed(parts_.clock.now())) {
    tell_(fmt::format("{}: trying again: {}", query_.topic, why));
    return Next::kTryLater;
  }
  report_.status = ReplayStatus::kUnreachable;
  report_.message = why;
  return Next::kEnd;
}

TopicReplay::Next TopicReplay::fail(const std::string& why) {
  report_.status = ReplayStatus::kFailed;
  report_.message = why;
  return Next::kEnd;
}

TopicReplay::Next TopicReplay::failed(const delta::StoreOutcome& outcome) {
  return outcome.status == delta::StoreStatus::kTransient ? try_later(outcome.message)
                                                          : fail(outcome.message);
}

}  // namespace bronze::commands
