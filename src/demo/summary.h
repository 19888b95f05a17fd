#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bronze::demo {

/// What became of one topic in the end.
struct Landed {
  std::string topic;
  std::uint64_t produced = 0;
  /// Of the values produced.
  std::uint64_t raw_bytes = 0;
  /// Of the table, as its own log tells.
  std::uint64_t rows = 0;
  std::uint64_t files = 0;
  std::uint64_t stored_bytes = 0;
  /// Why the table could not be read; empty = it was.
  std::string trouble;
};

/// Every table was read and has as many rows as were produced.
[[nodiscard]] bool all_landed(const std::vector<Landed>& topics);

/// What landed, topic by topic and in total, and whether it is all that was produced.
[[nodiscard]] std::string summary(const std::vector<Landed>& topics);

/// Where the tables are and two one-line queries, to be typed in the folder the demo ran in.
/// `folder`: relative, without a character that a shell or SQL would take for its own.
[[nodiscard]] std::string queries(const std::string& folder);

}  // namespace bronze::demo
