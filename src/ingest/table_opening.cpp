#include "ingest/table_opening.h"

#include <spdlog/spdlog.h>

#include "ingest/table_shape.h"

namespace bronze::ingest {
namespace {

delta::StoreOutcome open_or_create(delta::TableSink& table, const delta::TableSpec& spec) {
  auto opened = table.open();
  if (opened.status != delta::StoreStatus::kMissing) return opened;
  auto created = table.create(spec);
  // Conflict: another instance was first. Transient: the answer may be lost. The log knows.
  if (created.status == delta::StoreStatus::kConflict) return table.load();
  return created;
}

delta::StoreOutcome open_dead_letters(delta::TableSink& table, const delta::TableSpec& spec,
                                      DeadLetterPolicy policy) {
  if (policy == DeadLetterPolicy::kNever) {
    auto opened = table.open();
    return opened.status == delta::StoreStatus::kMissing ? delta::StoreOutcome{} : opened;
  }
  auto opened = open_or_create(table, spec);
  if (!opened.ok() || !completed_dead_letter_schema(table.snapshot().shape)) return opened;
  // Somebody may have added the columns since.
  opened = table.load();
  const auto schema = completed_dead_letter_schema(table.snapshot().shape);
  if (!opened.ok() || !schema) return opened;
  auto added = table.add_columns(*schema);
  if (added.ok()) spdlog::info("a dead-letter table got the columns that it lacked: {}", *schema);
  return added;
}

}  // namespace

delta::StoreOutcome open_tables(const LaneTables& tables, const LaneTableSpecs& specs,
                                DeadLetterPolicy policy) {
  auto opened = open_or_create(tables.rows, specs.rows);
  if (!opened.ok() || tables.dead_letters == nullptr) return opened;
  opened = open_dead_letters(*tables.dead_letters, specs.dead_letters, policy);
  if (!opened.ok()) opened.message.insert(0, "the dead-letter table: ");
  return opened;
}

}  // namespace bronze::ingest
