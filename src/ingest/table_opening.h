#pragma once

#include "delta/table_sink.h"
#include "ingest/lane_table.h"

namespace bronze::ingest {

/// What a lane's tables are created as.
struct LaneTableSpecs {
  delta::TableSpec rows;
  delta::TableSpec dead_letters;
};

/// Loads the tables of a lane, and creates those that are needed and missing. A dead-letter table
/// of the service that came before gets the columns that it lacks. Blocks.
[[nodiscard]] delta::StoreOutcome open_tables(const LaneTables& tables, const LaneTableSpecs& specs,
                                              DeadLetterPolicy policy);

}  // namespace bronze::ingest
