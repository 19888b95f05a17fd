#include "base/extra_columns.h"

namespace bronze {

std::string names_of(const ExtraColumns& columns) {
  std::string names;
  for (const auto& [name, member] : k_extra_columns) {
    if (columns.*member) names.append(names.empty() ? "" : ",").append(name);
  }
  return names;
}

ExtraColumns without(ExtraColumns columns, const ExtraColumns& others) {
  for (const auto& column : k_extra_columns) {
    if (others.*column.member) columns.*column.member = false;
  }
  return columns;
}

}  // namespace bronze
