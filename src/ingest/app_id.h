#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"

namespace bronze::ingest {

/// The names under which a table keeps progress (`txn.appId`). Each part is percent-encoded where
/// it holds anything but letters, digits and `-._~:`, so that no two pipelines share a name.
///
/// `bronze/{group}/{topic-identity}/{partition}`; its version is the next offset.
[[nodiscard]] std::string partition_app_id(std::string_view group, const TopicIdentity& identity,
                                           Partition partition);

/// What follows the name of a partition's progress in that of the txn whose version is how many of
/// the partition's dead letters were replayed:
/// `bronze/{group}/{topic-identity}/{partition}/replayed`.
inline constexpr std::string_view k_replayed_suffix = "/replayed";

/// `bronze/{group}/{topic}`: the table knows this topic; its version is the identity's number.
[[nodiscard]] std::string registry_app_id(std::string_view group, std::string_view topic);

/// `bronze/{group}/{topic}/{topic-identity}/since`: the topic took the place of another one of its
/// name; its version is when, in microseconds since 1970: its rows have no earlier `_ingested_at`.
[[nodiscard]] std::string epoch_app_id(std::string_view group, std::string_view topic,
                                       std::string_view identity);

/// What all of a group's names begin with.
[[nodiscard]] std::string group_prefix(std::string_view group);

[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace bronze::ingest
