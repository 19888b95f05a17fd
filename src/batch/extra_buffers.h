#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/extra_columns.h"
#include "batch/arrow_c_data.h"
#include "batch/bytes_column.h"
#include "batch/row.h"

namespace bronze::batch {

/// What lies below a headers column: the list's element, a struct, and that one's key and value.
/// Outlives the column's own node, which lies elsewhere.
template <typename Node>
struct NodesOfHeaders {
  NodesOfHeaders() = default;
  NodesOfHeaders(const NodesOfHeaders&) = delete;
  NodesOfHeaders& operator=(const NodesOfHeaders&) = delete;

  Node element{};
  Node key{};
  Node value{};
  std::array<Node*, 1> of_list{&element};
  std::array<Node*, 2> of_element{&key, &value};
};

using Buffers = std::array<const void*, 3>;

/// The extra columns of the rows of one date in Arrow's memory layout. Part of Columns.
class ExtraBuffers {
 public:
  explicit ExtraBuffers(const ExtraColumns& columns) : columns_(columns) {}

  /// REQUIRES: has_room_for(extras).
  void append(const RowExtras& extras);
  [[nodiscard]] bool has_room_for(const RowExtras& extras) const;
  /// Memory that the rows occupy, roughly.
  [[nodiscard]] std::size_t held_bytes() const;
  [[nodiscard]] const ExtraColumns& columns() const { return columns_; }

  /// Where an exported array points to; outlives it, as does this object.
  struct Exported {
    NodesOfHeaders<ArrowArray> headers;
    std::array<Buffers, k_extra_columns.size()> buffers{};
    std::array<Buffers, 3> header_buffers{};
  };
  /// Fills a node a column, beginning at `first`. `release` becomes that of every node.
  void export_to(ArrowArray* first, Exported* exported, void (*release)(ArrowArray*)) const;

 private:
  void append_headers(std::span<const Header> headers);

  ExtraColumns columns_;
  BytesColumn topics_;
  BytesColumn keys_;
  BytesColumn timestamp_types_;
  // The headers: a list of structs.
  std::vector<std::int32_t> list_ends_{0};
  std::vector<std::uint8_t> list_validity_;
  std::int64_t list_nulls_ = 0;
  BytesColumn header_keys_;
  BytesColumn header_values_;
};

/// Fills a schema a column, beginning at `first`; returns how many. `nested` outlives them.
std::size_t export_schemas(const ExtraColumns& columns, ArrowSchema* first,
                           NodesOfHeaders<ArrowSchema>* nested, void (*release)(ArrowSchema*));

}  // namespace bronze::batch
