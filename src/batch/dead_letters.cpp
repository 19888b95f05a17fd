#include "batch/dead_letters.h"

#include <array>
#include <memory>
#include <utility>

#include "batch/arrow_export.h"

namespace bronze::batch {
namespace {

enum class Null { kNever, kMaybe };

struct ColumnType {
  const char* name;
  /// Of the Arrow C Data Interface: u = utf8, z = binary, i = int32, l = int64, tsu = timestamp in
  /// microseconds.
  const char* format;
  Null null = Null::kMaybe;
};

constexpr const char* k_time = "tsu:UTC";
constexpr std::array k_before_key{
    ColumnType{"error_message", "u", Null::kNever},
    ColumnType{"error_type", "u", Null::kNever},
    ColumnType{"original_payload", "u", Null::kNever},
    ColumnType{"kafka_topic", "u", Null::kNever},
    ColumnType{"_kafka_partition", "i"},
    ColumnType{"_kafka_offset", "l"},
    ColumnType{"_ingested_at", k_time},
    ColumnType{"session_id", "u"},
    ColumnType{"correlation_id", "u"},
    ColumnType{"causation_id", "u"},
    ColumnType{"_original_bytes", "z"},
};
/// Between them: _kafka_key and _kafka_headers.
constexpr ColumnType k_last{"_kafka_timestamp", k_time};
constexpr ExtraColumns k_key_and_headers{
    .topic = false, .key = true, .headers = true, .timestamp_type = false};
constexpr std::size_t k_key = k_before_key.size();
constexpr std::size_t k_width = k_key + 3;

struct ExportedSchema {
  std::array<ArrowSchema, k_width> children{};
  std::array<ArrowSchema*, k_width> pointers{};
  NodesOfHeaders<ArrowSchema> headers;
};

struct ExportedArray {
  explicit ExportedArray(DeadLetterColumns&& rows) : columns(std::move(rows)) {}

  DeadLetterColumns columns;
  std::array<ArrowArray, k_width> children{};
  std::array<ArrowArray*, k_width> pointers{};
  std::array<Buffers, k_width> buffers{};
  ExtraBuffers::Exported key_and_headers;
  const void* no_validity = nullptr;
};

void describe(ArrowSchema* node, const ColumnType& column) {
  node->name = column.name;
  node->format = column.format;
  node->flags = column.null == Null::kMaybe ? ARROW_FLAG_NULLABLE : 0;
  node->release = release_child;
}

void export_schema(ArrowSchema* schema) {
  auto exported = std::make_unique<ExportedSchema>();
  for (std::size_t i = 0; i < k_key; ++i) describe(&exported->children[i], k_before_key[i]);
  export_schemas(k_key_and_headers, &exported->children[k_key], &exported->headers, release_child);
  describe(&exported->children[k_width - 1], k_last);
  for (std::size_t i = 0; i < k_width; ++i) exported->pointers[i] = &exported->children[i];
  *schema = ArrowSchema{};
  schema->format = "+s";
  schema->name = "";
  schema->n_children = k_width;
  schema->children = exported->pointers.data();
  schema->release = release_parent<ExportedSchema, ArrowSchema>;
  schema->private_data = exported.release();
}

std::string_view text_at(const BytesColumn& column, std::size_t index) {
  const auto first = static_cast<std::size_t>(column.ends()[index]);
  const auto end = static_cast<std::size_t>(column.ends()[index + 1]);
  return {column.bytes() + first, end - first};
}

bool is_null(const BytesColumn& column, std::size_t index) {
  return ((column.validity()[index / 8] >> (index % 8)) & 1U) == 0;
}

std::optional<std::string_view> value_at(const BytesColumn& column, std::size_t index) {
  if (is_null(column, index)) return std::nullopt;
  return text_at(column, index);
}

RowExtras extras_of(const DeadLetter& letter) {
  return {.topic = {}, .key = letter.key, .headers = letter.headers, .timestamp_type = {}};
}

}  // namespace

DeadLetterColumns::DeadLetterColumns() : key_and_headers_(k_key_and_headers) {}

std::size_t DeadLetterColumns::width() { return k_width; }

void DeadLetterColumns::append(const DeadLetter& letter) {
  const std::size_t index = rows();
  error_messages_.append(letter.error_message);
  error_types_.append(letter.error_type);
  payloads_.append(letter.original_payload);
  topics_.append(letter.kafka_topic);
  partitions_.push_back(number(letter.partition));
  offsets_.push_back(letter.offset.value);
  ingested_at_.push_back(letter.ingested_at);
  session_ids_.append(letter.session_id);
  correlation_ids_.append(letter.correlation_id);
  causation_ids_.append(letter.causation_id);
  original_bytes_.append(letter.original_bytes);
  key_and_headers_.append(extras_of(letter));
  timestamps_.push_back(letter.kafka_timestamp.value_or(0));
  set_validity(timestamp_validity_, index, letter.kafka_timestamp.has_value());
  if (!letter.kafka_timestamp) ++timestamp_nulls_;
}

bool DeadLetterColumns::has_room_for(const DeadLetter& letter) const {
  // No id is larger than the payload that it is a part of.
  return error_messages_.has_room_for(letter.error_message.size()) &&
         payloads_.has_room_for(letter.original_payload.size()) &&
         original_bytes_.has_room_for(letter.original_bytes.value_or("").size()) &&
         key_and_headers_.has_room_for(extras_of(letter));
}

std::size_t DeadLetterColumns::bytes() const {
  constexpr std::size_t k_fixed_row_bytes = 4 + 8 + 8 + 8;
  std::size_t bytes = rows() * k_fixed_row_bytes + key_and_headers_.held_bytes();
  for (const auto* column : {&error_messages_, &error_types_, &payloads_, &topics_, &session_ids_,
                             &correlation_ids_, &causation_ids_, &original_bytes_}) {
    bytes += column->held_bytes();
  }
  return bytes;
}

DeadLetter DeadLetterColumns::letter(std::size_t index) const {
  const bool has_time = ((timestamp_validity_[index / 8] >> (index % 8)) & 1U) != 0;
  return {.error_message = text_at(error_messages_, index),
          .error_type = text_at(error_types_, index),
          .original_payload = text_at(payloads_, index),
          .kafka_topic = text_at(topics_, index),
          .partition = Partition{partitions_[index]},
          .offset = Offset{offsets_[index]},
          .ingested_at = ingested_at_[index],
          .session_id = value_at(session_ids_, index),
          .correlation_id = value_at(correlation_ids_, index),
          .causation_id = value_at(causation_ids_, index),
          .original_bytes = value_at(original_bytes_, index),
          .key = {},
          .headers = {},
          .kafka_timestamp = has_time ? std::optional(timestamps_[index]) : std::nullopt};
}

void DeadLetterColumns::export_to(ArrowArray* array, ArrowSchema* schema) && {
  export_schema(schema);
  auto exported = std::make_unique<ExportedArray>(std::move(*this));
  const DeadLetterColumns& rows = exported->columns;
  std::size_t next = 0;
  const auto fill = [&](const Buffers& buffers, std::int64_t count, std::int64_t nulls) {
    ArrowArray& child = exported->children[next];
    exported->buffers[next++] = buffers;
    child.length = static_cast<std::int64_t>(rows.rows());
    child.null_count = nulls;
    child.n_buffers = count;
    child.buffers = exported->buffers[next - 1].data();
    child.release = release_child;
  };
  const auto bytes = [&](const BytesColumn& column) {
    fill({column.validity(), column.ends(), column.bytes()}, 3, column.nulls());
  };
  for (const auto* column :
       {&rows.error_messages_, &rows.error_types_, &rows.payloads_, &rows.topics_}) {
    bytes(*column);
  }
  fill({nullptr, rows.partitions_.data(), nullptr}, 2, 0);
  fill({nullptr, rows.offsets_.data(), nullptr}, 2, 0);
  fill({nullptr, rows.ingested_at_.data(), nullptr}, 2, 0);
  for (const auto* column :
       {&rows.session_ids_, &rows.correlation_ids_, &rows.causation_ids_, &rows.original_bytes_}) {
    bytes(*column);
  }
  rows.key_and_headers_.export_to(&exported->children[k_key], &exported->key_and_headers,
                                  release_child);
  next = k_width - 1;
  fill({rows.timestamp_validity_.data(), rows.timestamps_.data(), nullptr}, 2,
       rows.timestamp_nulls_);
  for (std::size_t i = 0; i < k_width; ++i) exported->pointers[i] = &exported->children[i];
  *array = ArrowArray{};
  array->length = static_cast<std::int64_t>(rows.rows());
  array->n_buffers = 1;
  array->buffers = &exported->no_validity;
  array->n_children = k_width;
  array->children = exported->pointers.data();
  array->release = release_parent<ExportedArray, ArrowArray>;
  array->private_data = exported.release();
}

}  // namespace bronze::batch
