// What a lane does with each record.

#include <fmt/format.h>

#include <algorithm>
#include <variant>
#include <vector>

#include "base/sabotage.h"
#include "ingest/lane.h"

namespace bronze::ingest {

void Lane::on_record(const Record& record, UnixMicros ingested_at) {
  const auto found = partitions_.find(record.partition);
  if (found == partitions_.end() || intake_ended_) return;
  PartitionState& state = found->second;
  if (state.phase == Phase::kLookingAhead) return look_ahead(record);
  if (state.phase != Phase::kReading || record.offset < state.position) return;
  const UnixMicros time = std::max(ingested_at, ingested_at_min_);
  ++messages_consumed_;
  state.last_timestamp_ms = record.timestamp_ms;
  if (record.offset < state.decided.before()) return take_decided(record, state, time);
  const auto decoded = decoder_.decode(record, time, writer_.columns());
  if (const auto* row = std::get_if<batch::Row>(&decoded)) {
    writer_.add(*row, state.position);
    state.position = record.offset.following();
  } else {
    take_odd(record, state, decoded, time);
  }
}

void Lane::take_odd(const Record& record, PartitionState& state, const decode::Decoded& decoded,
                    UnixMicros ingested_at) {
  if (const auto* needed = std::get_if<decode::NeedsSchema>(&decoded)) {
    return await_schema(record, state, needed->id);
  }
  const auto& error = std::get<decode::RecordError>(decoded);
  if (settings_.writer.dead_letters == DeadLetterPolicy::kNever) {
    return cannot_be_written(record, error,
                             "Nothing after it is read. DLQ_ENABLED=true would let the stream go "
                             "on and keep the record in the dead-letter table");
  }
  const batch::DeadLetter letter = dead_letter_maker_.make(record, error, ingested_at);
  parts_.log.tell(LogEvent::kDeadLetter,
                  {.topic = topic(),
                   .partition = letter.partition,
                   .offset = letter.offset,
                   .error_type = letter.error_type,
                   .reason = letter.error_message},
                  "{}: partition {} offset {} goes to the dead letters: {}: {}", topic(),
                  number(letter.partition), letter.offset.value, letter.error_type,
                  letter.error_message);
  writer_.add(letter, state.position);
  state.position = record.offset.following();
}

void Lane::take_decided(const Record& record, PartitionState& state, UnixMicros ingested_at) {
  if (state.decided.is_dead(record.offset)) {
    if (sabotaged(Sabotage::kDeadLettersTwice)) {
      writer_.add(dead_letter_maker_.make(record, {}, ingested_at), state.position);
    }
    writer_.advance(record.partition, state.position, record.offset.following());
  } else {
    // It was good once, and its dead letter would never be written: whatever holds today, it goes
    // into the table.
    const auto decoded = decoder_.decode_unchecked(record, ingested_at, writer_.columns());
    if (const auto* error = std::get_if<decode::RecordError>(&decoded)) {
      return cannot_be_written(record, *error,
                               "The dead-letter table says that it was good when it was looked at "
                               "first, but the table cannot hold it. Nothing after it is read");
    }
    writer_.add(std::get<batch::Row>(decoded), state.position);
  }
  state.position = record.offset.following();
}

void Lane::cannot_be_written(const Record& record, const decode::RecordError& error,
                             const char* consequence) {
  halt(record.partition, fmt::format("the record at offset {} cannot be written ({}: {}). {}",
                                     record.offset.value, error.type, error.message, consequence));
}

void Lane::await_schema(const Record& record, PartitionState& state, std::int32_t schema) {
  state.read_on_at = record.offset;
  state.phase = Phase::kLookingAhead;
  schemas_.wait_for(schema, record.partition);
}

void Lane::look_ahead(const Record& record) {
  if (!record.value) return;
  if (const auto schema = decoder_.schema_missing_for(*record.value)) schemas_.look_ahead(*schema);
}

void Lane::end_look_ahead() {
  const std::set<Partition> partitions = in_phase(Phase::kLookingAhead);
  for (const Partition partition : partitions) {
    partitions_.at(partition).phase = Phase::kFetchingSchema;
  }
  parts_.source.stop(named(partitions));
}

void Lane::take_schemas(const SchemasFetched& fetched) {
  end_look_ahead();
  std::vector<kafka::StartPosition> positions;
  for (const Partition partition : schemas_.take(fetched)) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end() || found->second.phase != Phase::kFetchingSchema) continue;
    found->second.phase = Phase::kReading;
    positions.push_back({named(partition), found->second.read_on_at});
  }
  start(positions);
}

void Lane::on_partition_end(Partition partition, Offset position) {
  const auto found = partitions_.find(partition);
  if (found == partitions_.end() || intake_ended_) return;
  PartitionState& state = found->second;
  if (state.phase != Phase::kReading || position <= state.position) return;
  writer_.advance(partition, state.position, position);
  state.position = position;
}

}  // namespace bronze::ingest
