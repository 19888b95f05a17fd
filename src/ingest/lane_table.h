#pragma once

#include "delta/table_sink.h"

namespace bronze::ingest {

/// Which of a lane's two tables.
enum class LaneTable { kRows, kDeadLetters };

/// When the dead-letter table is written.
enum class DeadLetterPolicy {
  /// Never: what cannot be written stops its partition. What the table decided before still holds.
  kNever,
  /// When there are dead letters. Whether a record is one follows from its bytes alone, for good.
  kWhenAny,
  /// With every batch: what is decided by today's settings must be kept, since others may hold
  /// after a restart.
  kAlways,
};

/// Handles on the tables of a lane; they outlive it.
struct LaneTables {
  /// A lane without dead letters is made of its table alone.
  LaneTables(delta::TableSink& of_rows, delta::TableSink* of_dead_letters = nullptr)
      : rows(of_rows), dead_letters(of_dead_letters) {}

  /// REQUIRES: there is such a table.
  [[nodiscard]] delta::TableSink& of(LaneTable which) const {
    return which == LaneTable::kRows ? rows : *dead_letters;
  }

  delta::TableSink& rows;
  /// nullptr = there is none.
  delta::TableSink* dead_letters;
};

}  // namespace bronze::ingest
