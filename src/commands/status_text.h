#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "commands/styled_line.h"

namespace bronze::commands {

/// The document of /status; nullopt = this is none.
[[nodiscard]] std::optional<nlohmann::json> parse_status(const std::string& body);

struct StatusView {
  /// Shown alone, with their partitions. Empty = all topics, without.
  std::vector<std::string> topics = {};
  /// Into which everything is to fit: columns that do not are left out. nullopt = no limit.
  std::optional<std::size_t> columns = {};
  /// Of lists of reasons and errors.
  enum class Lists { kWhole, kShort } lists = Lists::kWhole;
};

/// What an operator asks, the most urgent first: the verdict, the service, the last errors, the
/// topics. `before` = an earlier document, for rates between the two; null pointer = there is none.
/// REQUIRES: `now` and `before` are of parse_status. What they lack is shown as `-`.
[[nodiscard]] std::vector<StyledLine> status_lines(const nlohmann::json& now,
                                                   const nlohmann::json* before,
                                                   const StatusView& view);

}  // namespace bronze::commands
