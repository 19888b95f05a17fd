#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/table_columns.h"
#include "batch/arrow_c_data.h"
#include "batch/extra_buffers.h"
#include "batch/row.h"

namespace bronze::batch {

/// Rows of one date in Arrow's memory layout: the table's columns but the partition column, in
/// order. A value: one owner, one thread at a time.
class Columns {
 public:
  Columns() = default;
  explicit Columns(const TableColumns& columns);
  /// For a table that has these columns after the six.
  explicit Columns(const ExtraColumns& extra) : Columns(TableColumns{.extra = extra}) {}

  /// Memory for values of so many bytes together, so that they are not moved while they gather.
  void reserve(std::size_t value_bytes) { values_.reserve(value_bytes); }

  /// REQUIRES: has_room_for(row).
  void append(const Row& row);

  /// Arrow's 32-bit string offsets end at 2 GiB. REQUIRES: row.extras, if there are extra columns.
  [[nodiscard]] bool has_room_for(const Row& row) const;

  /// How many columns are exported.
  [[nodiscard]] std::size_t width() const;
  [[nodiscard]] std::size_t rows() const { return partitions_.size(); }
  [[nodiscard]] bool empty() const { return partitions_.empty(); }
  /// Memory that the rows occupy, roughly.
  [[nodiscard]] std::size_t bytes() const;
  /// Of it, what has no fixed size, each value with its length.
  [[nodiscard]] std::size_t variable_bytes() const;
  /// As it is stored, without what goes into extra columns.
  [[nodiscard]] Row row(std::size_t index) const;

  /// Hands the buffers over by the Arrow C Data Interface, without a copy. The receiver calls
  /// `release` of both.
  void export_to(ArrowArray* array, ArrowSchema* schema) &&;

 private:
  RawValue raw_value_ = RawValue::kString;
  std::vector<std::int32_t> value_ends_{0};
  std::vector<char> values_;
  std::vector<std::uint8_t> value_validity_;
  std::int64_t value_nulls_ = 0;
  std::vector<std::int32_t> partitions_;
  std::vector<std::int64_t> offsets_;
  std::vector<std::int64_t> timestamps_;
  std::vector<std::uint8_t> timestamp_validity_;
  std::int64_t timestamp_nulls_ = 0;
  std::vector<std::int64_t> ingested_at_;
  /// nullopt = the table has none.
  std::optional<ExtraBuffers> extra_;
};

}  // namespace bronze::batch
