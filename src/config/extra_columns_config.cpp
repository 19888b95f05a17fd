#include "config/extra_columns_config.h"

#include <algorithm>

namespace bronze::config {
namespace {

constexpr std::string_view k_name = "EXTRA_COLUMNS";

std::string allowed() {
  std::string names;
  for (const auto& column : k_extra_columns) names.append(", ").append(column.name);
  return "expected all, or, separated by commas and each once, any of " + names.substr(2);
}

}  // namespace

ExtraColumns read_extra_columns(Reader& reader) {
  ExtraColumns columns;
  const auto text = reader.given(k_name);
  if (!text) return columns;
  if (*text == "all") {
    for (const auto& column : k_extra_columns) columns.*column.member = true;
    return columns;
  }
  for (const std::string& entry : split_at_commas(*text)) {
    const auto* found = std::ranges::find(k_extra_columns, entry, &ExtraColumn::name);
    if (found == k_extra_columns.end()) {
      reader.fail(k_name, shown(entry) + " is no extra column; " + allowed());
    } else if (columns.*found->member) {
      reader.fail(k_name, shown(entry) + " is listed twice; " + allowed());
    } else {
      columns.*found->member = true;
    }
  }
  return columns;
}

}  // namespace bronze::config
