#include "batch/columns.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "batch/arrow_export.h"

namespace bronze::batch {
namespace {

bool is_valid(const std::vector<std::uint8_t>& bitmap, std::size_t index) {
  return ((bitmap[index / 8] >> (index % 8)) & 1U) != 0;
}

/// Formats of the Arrow C Data Interface.
constexpr const char* k_text = "u";
constexpr const char* k_binary = "z";

std::size_t stored_size(RawValue raw_value, std::size_t size) {
  return raw_value == RawValue::kBase64 ? (size + 2) / 3 * 4 : size;
}

void append_base64(std::vector<char>& bytes, std::string_view value) {
  // With room for the zero that it ends the text with.
  const std::size_t begin = bytes.size();
  bytes.resize(begin + stored_size(RawValue::kBase64, value.size()) + 1);
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(bytes.data() + begin),
                  reinterpret_cast<const unsigned char*>(value.data()),
                  static_cast<int>(value.size()));
  bytes.pop_back();
}

struct ColumnType {
  const char* name;
  const char* format;
};

/// i = int32, l = int64, tsu = timestamp in microseconds.
constexpr std::array k_columns{
    ColumnType{"_raw_value", k_text},      ColumnType{"_kafka_partition", "i"},
    ColumnType{"_kafka_offset", "l"},      ColumnType{"_kafka_timestamp", "tsu:UTC"},
    ColumnType{"_ingested_at", "tsu:UTC"},
};
constexpr std::size_t k_width = k_columns.size();
constexpr std::size_t k_width_max = k_width + k_extra_columns.size();

struct ExportedSchema {
  std::array<ArrowSchema, k_width_max> children{};
  std::array<ArrowSchema*, k_width_max> pointers{};
  NodesOfHeaders<ArrowSchema> headers;
};

struct ExportedArray {
  explicit ExportedArray(Columns&& rows) : columns(std::move(rows)) {}

  Columns columns;
  std::array<ArrowArray, k_width_max> children{};
  std::array<ArrowArray*, k_width_max> pointers{};
  std::array<Buffers, k_width> buffers{};
  ExtraBuffers::Exported extra;
  const void* no_validity = nullptr;
};

void export_schema(ArrowSchema* schema, const TableColumns& columns) {
  auto exported = std::make_unique<ExportedSchema>();
  for (std::size_t i = 0; i < k_width; ++i) {
    ArrowSchema& child = exported->children[i];
    child.format = k_columns[i].format;
    child.name = k_columns[i].name;
    child.flags = ARROW_FLAG_NULLABLE;
    child.release = release_child;
  }
  if (columns.raw_value == RawValue::kBinary) exported->children[0].format = k_binary;
  const std::size_t width = k_width + export_schemas(columns.extra, &exported->children[k_width],
                                                     &exported->headers, release_child);
  for (std::size_t i = 0; i < width; ++i) exported->pointers[i] = &exported->children[i];
  *schema = ArrowSchema{};
  schema->format = "+s";
  schema->name = "";
  schema->n_children = static_cast<std::int64_t>(width);
  schema->children = exported->pointers.data();
  schema->release = release_parent<ExportedSchema, ArrowSchema>;
  schema->private_data = exported.release();
}

}  // namespace

Columns::Columns(const TableColumns& columns) : raw_value_(columns.raw_value) {
  if (columns.extra.any()) extra_.emplace(columns.extra);
}

bool Columns::has_room_for(const Row& row) const {
  const std::size_t size = stored_size(raw_value_, row.raw_value.value_or("").size());
  return values_.size() + size <= k_offset_max && (!extra_ || extra_->has_room_for(*row.extras));
}

std::size_t Columns::width() const {
  const ExtraColumns extra = extra_ ? extra_->columns() : ExtraColumns{};
  return k_width + static_cast<std::size_t>(std::count_if(
                       k_extra_columns.begin(), k_extra_columns.end(),
                       [&](const ExtraColumn& column) { return extra.*column.member; }));
}

void Columns::append(const Row& row) {
  const std::size_t index = rows();
  const std::string_view value = row.raw_value.value_or("");
  if (raw_value_ == RawValue::kBase64) {
    append_base64(values_, value);
  } else {
    values_.insert(values_.end(), value.begin(), value.end());
  }
  value_ends_.push_back(static_cast<std::int32_t>(values_.size()));
  set_validity(value_validity_, index, row.raw_value.has_value());
  if (!row.raw_value) ++value_nulls_;
  partitions_.push_back(number(row.partition));
  offsets_.push_back(row.offset.value);
  timestamps_.push_back(row.kafka_timestamp.value_or(0));
  set_validity(timestamp_validity_, index, row.kafka_timestamp.has_value());
  if (!row.kafka_timestamp) ++timestamp_nulls_;
  ingested_at_.push_back(row.ingested_at);
  if (extra_) extra_->append(*row.extras);
}

std::size_t Columns::bytes() const {
  constexpr std::size_t k_fixed_row_bytes = 4 + 8 + 8 + 8;
  return variable_bytes() + rows() * k_fixed_row_bytes;
}

std::size_t Columns::variable_bytes() const {
  return values_.size() + rows() * 4 + (extra_ ? extra_->held_bytes() : 0);
}

Row Columns::row(std::size_t index) const {
  Row row;
  if (is_valid(value_validity_, index)) {
    const auto first = static_cast<std::size_t>(value_ends_[index]);
    const auto end = static_cast<std::size_t>(value_ends_[index + 1]);
    row.raw_value = std::string_view(values_.data() + first, end - first);
  }
  row.partition = Partition{partitions_[index]};
  row.offset = Offset{offsets_[index]};
  if (is_valid(timestamp_validity_, index)) row.kafka_timestamp = timestamps_[index];
  row.ingested_at = ingested_at_[index];
  return row;
}

void Columns::export_to(ArrowArray* array, ArrowSchema* schema) && {
  export_schema(schema,
                {.raw_value = raw_value_, .extra = extra_ ? extra_->columns() : ExtraColumns{}});
  const std::int64_t width = schema->n_children;
  auto exported = std::make_unique<ExportedArray>(std::move(*this));
  const Columns& rows = exported->columns;
  const auto length = static_cast<std::int64_t>(rows.rows());
  exported->buffers = {{
      {rows.value_validity_.data(), rows.value_ends_.data(), rows.values_.data()},
      {nullptr, rows.partitions_.data(), nullptr},
      {nullptr, rows.offsets_.data(), nullptr},
      {rows.timestamp_validity_.data(), rows.timestamps_.data(), nullptr},
      {nullptr, rows.ingested_at_.data(), nullptr},
  }};
  const std::array<std::int64_t, k_width> nulls{rows.value_nulls_, 0, 0, rows.timestamp_nulls_, 0};
  for (std::size_t i = 0; i < k_width; ++i) {
    ArrowArray& child = exported->children[i];
    child.length = length;
    child.null_count = nulls[i];
    child.n_buffers = i == 0 ? 3 : 2;
    child.buffers = exported->buffers[i].data();
    child.release = release_child;
  }
  if (rows.extra_) {
    rows.extra_->export_to(&exported->children[k_width], &exported->extra, release_child);
  }
  for (std::size_t i = 0; i < k_width_max; ++i) exported->pointers[i] = &exported->children[i];
  *array = ArrowArray{};
  array->length = length;
  array->n_buffers = 1;
  array->buffers = &exported->no_validity;
  array->n_children = width;
  array->children = exported->pointers.data();
  array->release = release_parent<ExportedArray, ArrowArray>;
  array->private_data = exported.release();
}

}  // namespace bronze::batch
