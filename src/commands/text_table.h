#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "commands/styled_line.h"

namespace bronze::commands {

using TableRow = std::vector<Span>;

struct TableText {
  /// The heads, then each row.
  std::vector<StyledLine> lines;
  /// `rows, bytes`: heads of columns that do not fit.
  std::string left_out;
};

/// Each column as wide as it needs. The first two, a name and its state, are on the left; all
/// others are numbers. A long name is cut to fit into `columns` of the terminal, a number never:
/// the last columns are left out as a whole. REQUIRES: as many cells in each row as heads.
[[nodiscard]] TableText table_text(const std::vector<std::string>& heads,
                                   const std::vector<TableRow>& rows,
                                   std::optional<std::size_t> columns);

}  // namespace bronze::commands
