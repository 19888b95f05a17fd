#include "ingest/lane_writer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/kill_point.h"
#include "base/sabotage.h"
#include "ingest/app_id.h"

namespace bronze::ingest {
namespace {

/// A cached snapshot older than this is not built upon: others may have rewritten the log.
constexpr std::chrono::minutes k_snapshot_age_max{5};

/// Who has lost a race for a version must not be late for the next ones too: a writer that commits
/// all the time would win them all.
constexpr std::chrono::milliseconds k_race_wait_max{400};

/// `{"0":[10,20]}`: of partition 0 the records from offset 10 to before 20.
std::string describe_ranges(const RangeMap& ranges) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [partition, range] : ranges) {
    json[std::to_string(number(partition))] = {range.first.value, range.next.value};
  }
  return json.dump();
}

/// A conflict is no failure: the table works, and the next look decides.
bool lost_a_race(const AttemptMemory& memory) { return memory.look == Look::kRefresh; }

}  // namespace

LaneWriter::LaneWriter(WriterSettings settings, WriterParts parts)
    : settings_(std::move(settings)),
      parts_(parts),
      backoff_(static_cast<std::uint32_t>(std::hash<std::string>{}(settings_.topic))) {}

void LaneWriter::begin(TopicIdentity identity, delta::TableShape shape) {
  identity_ = std::move(identity);
  shape_ = std::move(shape);
  columns_ = extra_columns_of(shape_);
  fresh_at_ = parts_.clock.now();
}

void LaneWriter::set_progress(Partition partition, PartitionStart::Progress progress) {
  if (progress == PartitionStart::Progress::kAbsent) {
    without_progress_.insert(partition);
  } else {
    without_progress_.erase(partition);
  }
}

void LaneWriter::set_gap(Partition partition, const std::optional<OffsetRange>& gap) {
  gaps_.erase(partition);
  if (gap) gaps_.emplace(partition, *gap);
}

RangeMap LaneWriter::gaps_in(const RangeMap& ranges) const {
  RangeMap found;
  for (const auto& [partition, gap] : gaps_) {
    const auto range = ranges.find(partition);
    if (range != ranges.end() && range->second.first == gap.first) found.emplace(partition, gap);
  }
  return found;
}

Batch& LaneWriter::open_batch() {
  if (!open_) {
    open_ = std::make_unique<Batch>(settings_.lane, parts_.table, parts_.executor,
                                    parts_.clock.now(), columns_);
    open_->note_arrival(parts_.watch.sent());
  }
  return *open_;
}

void LaneWriter::add(const batch::Row& row, Offset base) {
  if (open_ && !open_->takes(row)) {
    // While another batch is written the row joins this one all the same, with a file more.
    flush_wanted_ = true;
    if (!sealed_) seal();
  }
  Batch& batch = open_batch();
  batch.add(row, base);
  batch.note_arrival(parts_.watch.sent());
}

void LaneWriter::advance(Partition partition, Offset base, Offset next) {
  Batch& batch = open_batch();
  batch.advance(partition, base, next);
  batch.note_arrival(parts_.watch.sent());
}

void LaneWriter::drop() {
  open_.reset();
  sealed_.reset();
  answer_ = std::monostate{};
  flush_wanted_ = false;
}

bool LaneWriter::open_is_due() const {
  if (!open_) return false;
  return flush_wanted_ || parts_.clock.now() >= open_->opened_at() + settings_.flush.interval ||
         settings_.flush.full(open_->payload_bytes(), open_->rows());
}

void LaneWriter::seal() {
  flush_wanted_ = false;
  open_->seal();
  open_->finish_files();
  sealed_ = Sealed{};
  sealed_->batch = std::move(open_);
  sealed_->since = parts_.clock.now();
  backoff_.reset();
  CommitTask& task = sealed_->task;
  const Batch& batch = *sealed_->batch;
  task.token = batch.token();
  task.shape = shape_;
  if (batch.rows() > 0) task.expires_at = batch.opened_at() + settings_.file_age_max;
  task.parameters = {{"bronzeOffsets", describe_ranges(batch.ranges())},
                     {"bronzeRows", std::to_string(batch.rows())},
                     {"bronzeTopic", settings_.topic}};
  const RangeMap gaps = gaps_in(batch.ranges());
  if (!gaps.empty() && !sabotaged(Sabotage::kGapNotStated)) {
    task.parameters["bronzeSkipped"] = describe_ranges(gaps);
  }
  for (const auto& [partition, range] : batch.ranges()) {
    const std::int64_t error = sabotaged(Sabotage::kNextOffByOne) ? 1 : 0;
    TxnStep step{.app_id = partition_app_id(settings_.group, identity_, partition),
                 .base = std::nullopt,
                 .next = range.next.value - error};
    if (!without_progress_.contains(partition)) step.base = range.first.value;
    task.steps.push_back(std::move(step));
  }
}

void LaneWriter::on_job(const JobOutcome& outcome) {
  if (const auto* encoded = std::get_if<ColumnsEncoded>(&outcome)) {
    if (open_ && open_->id() == encoded->batch) open_->on_encoded(*encoded);
    if (sealed_ && sealed_->batch->id() == encoded->batch) sealed_->batch->on_encoded(*encoded);
  } else if (const auto* finished = std::get_if<FilesFinished>(&outcome)) {
    if (sealed_ && sealed_->batch->id() == finished->batch) answer_ = *finished;
  } else if (const auto* attempted = std::get_if<CommitAttempted>(&outcome)) {
    parts_.turn.give_back();
    if (sealed_ && sealed_->batch->id() == attempted->batch) answer_ = attempted->result;
  }
}

std::optional<WriterEvent> LaneWriter::step() {
  if (!sealed_) {
    if (!open_is_due()) return std::nullopt;
    seal();
  }
  if (std::holds_alternative<FilesFinished>(answer_)) {
    return take_upload(std::get<FilesFinished>(std::exchange(answer_, std::monostate{})));
  }
  if (std::holds_alternative<CommitResult>(answer_)) {
    return take_attempt(std::get<CommitResult>(std::exchange(answer_, std::monostate{})));
  }
  const bool rested = parts_.clock.now() >= sealed_->retry_at;
  switch (sealed_->stage) {
    case Stage::kUploading:
    case Stage::kCommitting:
      return std::nullopt;
    case Stage::kUploadBackoff:
      if (rested) {
        sealed_->stage = Stage::kUploading;
        sealed_->batch->finish_files();
      }
      return std::nullopt;
    case Stage::kCheckingTopic:
      return check_topic();
    case Stage::kCommitBackoff:
      if (rested) submit_attempt_in_turn();
      return std::nullopt;
  }
  return std::nullopt;
}

std::optional<WriterEvent> LaneWriter::take_upload(const FilesFinished& finished) {
  if (finished.outcome.status == delta::StoreStatus::kConflict) {
    return BatchVoid{finished.outcome.message};
  }
  if (!finished.outcome.ok()) {
    if (is_permanent(finished.outcome.status)) return WriteFailed{finished.outcome.message};
    return retry_later(Stage::kUploadBackoff, finished.outcome.message);
  }
  sealed_->file_bytes = finished.bytes;
  sealed_->task.files = finished.files;
  sealed_->first_failure.reset();
  backoff_.reset();
  sealed_->stage = Stage::kCheckingTopic;
  return check_topic();
}

std::optional<WriterEvent> LaneWriter::check_topic() {
  if (sabotaged(Sabotage::kNoUuidCheck)) {
    submit_attempt_in_turn();
    return std::nullopt;
  }
  // Whatever became of the topic since: when the last record came it was this one.
  if (topic_seen(sealed_->batch->requests_sent())) {
    submit_attempt_in_turn();
    return std::nullopt;
  }
  const auto* topic = parts_.watch.after(sealed_->batch->requests_sent(), settings_.topic);
  if (topic == nullptr) return std::nullopt;
  if (topic->unknown) {
    // The lane ends this when it lasts.
    sealed_->batch->note_arrival(parts_.watch.sent());
    return std::nullopt;
  }
  if (!topic->error.empty()) {
    sealed_->batch->note_arrival(parts_.watch.sent());
    return retry_later(Stage::kCheckingTopic,
                       "whether the topic is still the same cannot be told: " + topic->error);
  }
  return TopicReplaced{topic->identity.text};
}

void LaneWriter::submit_attempt_in_turn() {
  if (!parts_.turn.try_take()) return;
  sealed_->stage = Stage::kCommitting;
  sealed_->batch->keep_files();
  if (parts_.clock.now() - fresh_at_ >= k_snapshot_age_max) {
    sealed_->task.memory.look = Look::kLoad;
    fresh_at_ = parts_.clock.now();
  }
  // On the batch's own strand: its files outlive the attempt.
  parts_.executor.submit(
      settings_.lane, sealed_->batch->id(),
      make_job([&table = parts_.table, &clock = parts_.clock, task = sealed_->task,
                id = sealed_->batch->id()]() -> JobOutcome {
        return CommitAttempted{id, attempt_commit(table, task, clock)};
      }));
}

std::optional<WriterEvent> LaneWriter::take_attempt(CommitResult result) {
  sealed_->task.memory = result.memory;
  switch (result.status) {
    case CommitStatus::kDone: {
      kill_point("commit_after_ack");
      failures_ = 0;
      BatchCommitted done = committed(result);
      for (const auto& [partition, range] : done.ranges) without_progress_.erase(partition);
      for (const auto& [partition, gap] : gaps_in(done.ranges)) gaps_.erase(partition);
      sealed_.reset();
      return done;
    }
    case CommitStatus::kRetry:
      if (lost_a_race(result.memory)) {
        sealed_->stage = Stage::kCommitBackoff;
        sealed_->retry_at = parts_.clock.now() + backoff_.next(k_race_wait_max);
        spdlog::info("{}: another writer took the table's next version; looking again",
                     settings_.topic);
        return std::nullopt;
      }
      return retry_later(Stage::kCommitBackoff, result.message);
    case CommitStatus::kRewind:
      return BatchVoid{std::move(result.message), result.foreign};
    case CommitStatus::kFatal:
      return WriteFailed{std::move(result.message)};
  }
  return std::nullopt;
}

BatchCommitted LaneWriter::committed(const CommitResult& result) const {
  const Batch& batch = *sealed_->batch;
  return {.ranges = batch.ranges(),
          .rows = batch.rows(),
          .payload_bytes = batch.payload_bytes(),
          .file_bytes = sealed_->file_bytes,
          .version = result.version,
          .token = batch.token(),
          .took = parts_.clock.now() - sealed_->since};
}

std::optional<WriterEvent> LaneWriter::retry_later(Stage stage, const std::string& why) {
  ++failures_;
  const SteadyTime now = parts_.clock.now();
  if (!sealed_->first_failure) sealed_->first_failure = now;
  if (now - *sealed_->first_failure >= settings_.write_retry) return WriteFailed{why};
  sealed_->stage = stage;
  sealed_->retry_at = now + backoff_.next();
  spdlog::warn("{}: a write did not succeed and is tried again: {}", settings_.topic, why);
  return std::nullopt;
}

SteadyTime LaneWriter::next_deadline() const {
  if (sealed_) {
    const bool waits =
        sealed_->stage == Stage::kUploadBackoff || sealed_->stage == Stage::kCommitBackoff;
    // Who waits for its turn at the table is woken by the job that has it.
    return waits && !parts_.turn.taken() ? sealed_->retry_at : SteadyTime::max();
  }
  if (!open_) return SteadyTime::max();
  return flush_wanted_ ? parts_.clock.now() : open_->opened_at() + settings_.flush.interval;
}

bool LaneWriter::stalled() const {
  return failures_ > 0 && sealed_ && open_ &&
         parts_.clock.now() >= open_->opened_at() + settings_.flush.interval;
}

std::string Unwritten::text() const {
  std::string text = std::to_string(rows) + " rows";
  for (const auto& [partition, range] : ranges) {
    text += ", partition " + std::to_string(number(partition)) + " offsets " +
            std::to_string(range.first.value) + " to " + std::to_string(range.next.value - 1);
  }
  return text;
}

void Unwritten::add(const Unwritten& later) {
  rows += later.rows;
  for (const auto& [partition, range] : later.ranges) {
    OffsetRange& whole = ranges.try_emplace(partition, range).first->second;
    whole = {std::min(whole.first, range.first), std::max(whole.next, range.next)};
  }
}

bool LaneWriter::topic_seen(std::uint64_t count) const {
  return parts_.watch.was_seen(count, settings_.topic, identity_);
}

bool LaneWriter::proven() const {
  for (const Batch* batch : {sealed_ ? sealed_->batch.get() : nullptr, open_.get()}) {
    if (batch == nullptr) continue;
    if (!topic_seen(batch->requests_sent())) return false;
  }
  return true;
}

Unwritten LaneWriter::unwritten() const {
  Unwritten all;
  for (const Batch* batch : {sealed_ ? sealed_->batch.get() : nullptr, open_.get()}) {
    if (batch != nullptr) all.add({batch->rows(), batch->ranges()});
  }
  return all;
}

Unwritten LaneWriter::drop_unproven() {
  if (proven()) return {};
  Unwritten dropped = unwritten();
  if (sealed_ && open_ && topic_seen(sealed_->batch->requests_sent())) {
    dropped = {open_->rows(), open_->ranges()};
    open_.reset();
    flush_wanted_ = false;
  } else {
    drop();
  }
  return dropped;
}

LaneMemory LaneWriter::memory() const {
  LaneMemory memory{.open = open_ ? open_->held_bytes() : 0,
                    .writing = sealed_ ? sealed_->batch->held_bytes() : 0};
  if (open_) memory.unencoded += open_->unencoded_bytes();
  if (sealed_) memory.unencoded += sealed_->batch->unencoded_bytes();
  return memory;
}

std::optional<SteadyTime> LaneWriter::oldest_due() const {
  for (const Batch* batch : {sealed_ ? sealed_->batch.get() : nullptr, open_.get()}) {
    if (batch != nullptr && batch->rows() > 0) return batch->opened_at() + settings_.flush.interval;
  }
  return std::nullopt;
}

}  // namespace bronze::ingest
