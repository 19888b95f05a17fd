#include "ingest/lane_writer.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/kill_point.h"
#include "base/sabotage.h"

namespace bronze::ingest {
namespace {

/// A cached snapshot older than this is not built upon: others may have rewritten the log.
constexpr std::chrono::minutes k_snapshot_age_max{5};

/// Who has lost a race for a version must not be late for the next ones too: a writer that commits
/// all the time would win them all.
constexpr std::chrono::milliseconds k_race_wait_max{400};
/// How long a store takes for a batch that is merely slow.
constexpr std::chrono::seconds k_stuck_after{2};

/// A conflict is no failure: the table works, and the next look decides.
bool lost_a_race(const AttemptMemory& memory) { return memory.look == Look::kRefresh; }

}  // namespace

LaneWriter::LaneWriter(WriterSettings settings, WriterParts parts)
    : settings_(std::move(settings)),
      parts_(parts),
      backoff_(static_cast<std::uint32_t>(std::hash<std::string>{}(settings_.topic))),
      next_share_(batch::first_share(settings_.lane)) {
  progress_.group = settings_.group;
  progress_.topic = settings_.topic;
}

void LaneWriter::begin(TopicIdentity identity, delta::TableShape shape,
                       std::optional<delta::TableShape> dead_letters) {
  progress_.identity = std::move(identity);
  progress_.shape = std::move(shape);
  progress_.dead_letter_shape = std::move(dead_letters);
  columns_ = {.raw_value = raw_value_of(progress_.shape),
              .extra = extra_columns_of(progress_.shape)};
  for (const LaneTable table : {LaneTable::kRows, LaneTable::kDeadLetters}) {
    fresh_at_[table] = parts_.clock.now();
  }
}

void LaneWriter::set_progress(Partition partition, PartitionStart::Progress progress) {
  if (progress == PartitionStart::Progress::kAbsent) {
    progress_.without_progress.insert(partition);
  } else {
    progress_.without_progress.erase(partition);
  }
}

void LaneWriter::set_decided(Partition partition, const std::optional<Offset>& before) {
  progress_.dead_letters_decided.erase(partition);
  if (before) progress_.dead_letters_decided.emplace(partition, *before);
}

void LaneWriter::set_gap(Partition partition, const std::optional<OffsetRange>& gap) {
  progress_.gaps.erase(partition);
  if (gap) progress_.gaps.emplace(partition, *gap);
}

Duration LaneWriter::batch_interval() const {
  return std::max<Duration>(settings_.flush.interval, interval_min_);
}

Batch& LaneWriter::open_batch() {
  if (!open_) {
    const SteadyTime now = parts_.clock.now();
    open_ = std::make_unique<Batch>(settings_.lane, parts_.tables, parts_.executor, now, columns_);
    open_due_ =
        now + std::chrono::round<Duration>(std::exchange(next_share_, 1.0) * batch_interval());
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

void LaneWriter::add(const batch::DeadLetter& letter, Offset base) {
  Batch& batch = open_batch();
  batch.add(letter, base);
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
  return flush_wanted_ || parts_.clock.now() >= open_due_ ||
         settings_.flush.full(open_->payload_bytes(), open_->records());
}

void LaneWriter::seal() {
  flush_wanted_ = false;
  open_->seal();
  open_->finish_files();
  sealed_ = Sealed{};
  sealed_->batch = std::move(open_);
  sealed_->since = parts_.clock.now();
  backoff_.reset();
  for (auto& commit :
       plan_commits(*sealed_->batch, progress_, settings_.dead_letters, settings_.file_age_max)) {
    sealed_->commits.push_back(std::move(commit));
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
  if (sealed_->commits.empty()) return finish_batch();
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
  const BatchFiles::Finished& files = finished.files;
  if (files.outcome.status == delta::StoreStatus::kConflict) {
    return BatchVoid{files.outcome.message};
  }
  if (!files.outcome.ok()) {
    if (is_permanent(files.outcome.status)) return give_up(files.outcome.message);
    return retry_later(Stage::kUploadBackoff, files.outcome.message);
  }
  counts_.files += files.files.size() + files.dead_letter_files.size();
  sealed_->file_bytes = files.bytes;
  sealed_->dead_letter_bytes = files.dead_letter_bytes;
  for (PlannedCommit& commit : sealed_->commits) {
    commit.task.files = commit.table == LaneTable::kRows ? files.files : files.dead_letter_files;
  }
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
  PlannedCommit& commit = sealed_->commits.front();
  if (parts_.clock.now() - fresh_at_[commit.table] >= k_snapshot_age_max) {
    commit.task.memory.look = Look::kLoad;
    fresh_at_[commit.table] = parts_.clock.now();
  }
  // On the batch's own strand: its files outlive the attempt.
  parts_.executor.submit(settings_.lane, sealed_->batch->id(),
                         make_job([&table = parts_.tables.of(commit.table), &clock = parts_.clock,
                                   task = commit.task, id = sealed_->batch->id()]() -> JobOutcome {
                           return CommitAttempted{id, attempt_commit(table, task, clock)};
                         }));
}

std::optional<WriterEvent> LaneWriter::take_attempt(CommitResult result) {
  PlannedCommit& commit = sealed_->commits.front();
  commit.task.memory = result.memory;
  if (commit.table == LaneTable::kDeadLetters && result.status != CommitStatus::kDone) {
    result.message.insert(0, "the dead-letter table: ");
  }
  switch (result.status) {
    case CommitStatus::kDone:
      return take_landed(result.version);
    case CommitStatus::kRetry:
      if (lost_a_race(result.memory)) {
        ++counts_.conflicts;
        ++counts_.retries;
        sealed_->stage = Stage::kCommitBackoff;
        sealed_->retry_at = parts_.clock.now() + backoff_.next(k_race_wait_max);
        parts_.log.tell(LogEvent::kConflict,
                        {.topic = settings_.topic,
                         .token = sealed_->batch->token(),
                         .operation = operation_of(sealed_->stage)},
                        "{}: another writer took the table's next version; looking again",
                        settings_.topic);
        return std::nullopt;
      }
      return retry_later(Stage::kCommitBackoff, result.message);
    case CommitStatus::kRewind:
      ++counts_.conflicts;
      return BatchVoid{std::move(result.message), result.foreign};
    case CommitStatus::kFatal:
      return give_up(std::move(result.message));
  }
  return std::nullopt;
}

std::optional<WriterEvent> LaneWriter::take_landed(std::uint64_t version) {
  kill_point("commit_after_ack");
  const LaneTable table = sealed_->commits.front().table;
  sealed_->commits.pop_front();
  ++counts_.committed;
  const Batch& batch = *sealed_->batch;
  if (table == LaneTable::kRows) {
    sealed_->version = version;
    if (sealed_->commits.empty()) return finish_batch();
  }
  sealed_->first_failure.reset();
  backoff_.reset();
  // The rows' commit is submitted with the next step.
  sealed_->stage = Stage::kCommitBackoff;
  sealed_->retry_at = parts_.clock.now();
  if (table == LaneTable::kRows) return std::nullopt;
  kill_point("dead_letters_after_commit");
  for (const auto& [partition, range] : batch.ranges()) {
    Offset& decided = progress_.dead_letters_decided[partition];
    decided = std::max(decided, range.next);
  }
  return DeadLettersCommitted{.letters = batch.dead_letters(),
                              .file_bytes = sealed_->dead_letter_bytes,
                              .version = version,
                              .token = batch.token(),
                              .took = parts_.clock.now() - sealed_->since};
}

BatchCommitted LaneWriter::finish_batch() {
  failures_ = 0;
  const Batch& batch = *sealed_->batch;
  BatchCommitted done{.ranges = batch.ranges(),
                      .rows = batch.rows(),
                      .payload_bytes = batch.payload_bytes(),
                      .file_bytes = sealed_->file_bytes,
                      .version = sealed_->version,
                      .token = batch.token(),
                      .took = parts_.clock.now() - sealed_->since};
  counts_.durations.add(done.took);
  for (const auto& [partition, range] : done.ranges) {
    progress_.without_progress.erase(partition);
  }
  for (const auto& [partition, gap] : progress_.gaps_in(done.ranges)) {
    progress_.gaps.erase(partition);
  }
  sealed_.reset();
  return done;
}

WriteFailed LaneWriter::give_up(std::string why) {
  ++counts_.failed;
  return {std::move(why)};
}

std::optional<WriterEvent> LaneWriter::retry_later(Stage stage, const std::string& why) {
  ++failures_;
  ++counts_.failed;
  const SteadyTime now = parts_.clock.now();
  if (!sealed_->first_failure) sealed_->first_failure = now;
  if (now - *sealed_->first_failure >= settings_.write_retry) return WriteFailed{why};
  ++counts_.retries;
  sealed_->stage = stage;
  sealed_->retry_at = now + backoff_.next();
  parts_.log.tell(LogEvent::kRetry,
                  {.topic = settings_.topic,
                   .token = sealed_->batch->token(),
                   .operation = operation_of(stage),
                   .reason = why},
                  "{}: a write did not succeed and is tried again: {}", settings_.topic, why);
  return std::nullopt;
}

std::string_view LaneWriter::operation_of(Stage stage) const {
  switch (stage) {
    case Stage::kUploading:
    case Stage::kUploadBackoff:
      return "upload";
    case Stage::kCheckingTopic:
      return "check_topic";
    case Stage::kCommitting:
    case Stage::kCommitBackoff:
      break;
  }
  return sealed_->commits.front().table == LaneTable::kRows ? "commit" : "commit_dead_letters";
}

SteadyTime LaneWriter::next_deadline() const {
  if (sealed_) {
    const bool waits =
        sealed_->stage == Stage::kUploadBackoff || sealed_->stage == Stage::kCommitBackoff;
    // Who waits for its turn at the table is woken by the job that has it.
    return waits && !parts_.turn.taken() ? sealed_->retry_at : SteadyTime::max();
  }
  if (!open_) return SteadyTime::max();
  return flush_wanted_ ? parts_.clock.now() : open_due_;
}

bool LaneWriter::stalled() const {
  return failures_ > 0 && sealed_ && open_ && parts_.clock.now() >= open_due_;
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
  return parts_.watch.was_seen(count, settings_.topic, progress_.identity);
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
    if (batch != nullptr) all.add({batch->records(), batch->ranges()});
  }
  return all;
}

Unwritten LaneWriter::drop_unproven() {
  if (proven()) return {};
  Unwritten dropped = unwritten();
  if (sealed_ && open_ && topic_seen(sealed_->batch->requests_sent())) {
    dropped = {open_->records(), open_->ranges()};
    open_.reset();
    flush_wanted_ = false;
  } else {
    drop();
  }
  return dropped;
}

LaneMemory LaneWriter::memory() const {
  LaneMemory memory{.open = open_ ? open_->held_bytes() : 0,
                    .writing = sealed_ ? sealed_->batch->held_bytes() : 0,
                    .unencoded = 0,
                    .stuck = sealed_ && parts_.clock.now() - sealed_->since >= k_stuck_after};
  if (open_) memory.unencoded += open_->unencoded_bytes();
  if (sealed_) memory.unencoded += sealed_->batch->unencoded_bytes();
  return memory;
}

const Batch* LaneWriter::oldest_batch() const {
  for (const Batch* batch : {sealed_ ? sealed_->batch.get() : nullptr, open_.get()}) {
    if (batch != nullptr && batch->records() > 0) return batch;
  }
  return nullptr;
}

std::optional<SteadyTime> LaneWriter::oldest_unwritten() const {
  const Batch* oldest = oldest_batch();
  return oldest == nullptr ? std::nullopt : std::optional(oldest->opened_at());
}

std::optional<SteadyTime> LaneWriter::oldest_due() const {
  const Batch* oldest = oldest_batch();
  if (oldest == nullptr) return std::nullopt;
  return oldest->opened_at() + batch_interval();
}

}  // namespace bronze::ingest
