#include "commands/text_table.h"

#include <algorithm>

namespace bronze::commands {
namespace {

constexpr std::size_t k_between = 2;
constexpr std::size_t k_left_aligned = 2;
/// Of the terminal, for names.
constexpr std::size_t k_name_share = 3;
constexpr std::size_t k_name_min = 12;

using Widths = std::vector<std::size_t>;

Widths widths_of(const TableRow& head, const std::vector<TableRow>& rows) {
  Widths widths(head.size());
  const auto take = [&](const TableRow& row) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], columns_of(row[i].text));
    }
  };
  take(head);
  for (const TableRow& row : rows) take(row);
  return widths;
}

/// Leaves as many as fit.
void fit(Widths& widths, std::size_t columns) {
  widths[0] = std::min(widths[0], std::max(k_name_min, columns / k_name_share));
  std::size_t used = widths[0];
  std::size_t shown = 1;
  while (shown < widths.size() && used + k_between + widths[shown] <= columns) {
    used += k_between + widths[shown];
    ++shown;
  }
  widths.resize(shown);
}

StyledLine line_of(const TableRow& row, const Widths& widths) {
  StyledLine line;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const std::string text = cut(row[i].text, widths[i]);
    const std::string padding(widths[i] - columns_of(text), ' ');
    const bool last = i + 1 == widths.size();
    if (i >= k_left_aligned) line.push_back({padding});
    line.push_back({text, row[i].style});
    if (i < k_left_aligned && !last) line.push_back({padding});
    if (!last) line.push_back({std::string(k_between, ' ')});
  }
  return line;
}

}  // namespace

TableText table_text(const std::vector<std::string>& heads, const std::vector<TableRow>& rows,
                     std::optional<std::size_t> columns) {
  TableRow head;
  for (const auto& name : heads) head.push_back({name, Style::kSoft});
  Widths widths = widths_of(head, rows);
  if (columns) fit(widths, *columns);
  TableText text{.lines = {line_of(head, widths)}, .left_out = {}};
  for (const TableRow& row : rows) text.lines.push_back(line_of(row, widths));
  for (std::size_t i = widths.size(); i < heads.size(); ++i) {
    text.left_out += (text.left_out.empty() ? "" : ", ") + heads[i];
  }
  return text;
}

}  // namespace bronze::commands
