#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "ingest/resolve.h"

namespace bronze::ingest {

/// A table may hold several topics of one name, one after the other: epochs. Each has txns of its
/// own, by its topic id; the registry names the current one. A topic id has one epoch: it is never
/// gone back to.

/// A new epoch begins after the table's newest row, unless that is further ahead of the clock.
constexpr UnixMicros k_lead_max_us = 3'600'000'000;

/// Whether the registry, which is at `registered`, means the topic that Kafka shows. Pure.
[[nodiscard]] bool is_current_epoch(const StartFacts& facts, Offset registered);

/// What becomes of a topic that is not the one that the table was written from. Pure.
/// REQUIRES: !is_current_epoch(facts, registered).
[[nodiscard]] Resolution begin_epoch(const StartFacts& facts, Offset registered,
                                     const std::set<Partition>& assigned);

/// Since when rows are of this topic, by their `_ingested_at`; nullopt = the table's first topic.
[[nodiscard]] std::optional<UnixMicros> epoch_start(const StartFacts& facts);

/// What Kafka was told of a partition whose progress is `progress`; nullopt = nothing, or what was
/// said of an older topic of this name. Pure.
[[nodiscard]] std::optional<Offset> told_offset(const StartFacts& facts, Partition partition,
                                                Offset progress);

}  // namespace bronze::ingest
