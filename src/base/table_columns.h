#pragma once

#include "base/extra_columns.h"
#include "base/raw_value.h"

namespace bronze {

/// What may differ between the columns of bronze tables.
struct TableColumns {
  RawValue raw_value = RawValue::kString;
  ExtraColumns extra = {};

  friend constexpr bool operator==(const TableColumns&, const TableColumns&) = default;
};

}  // namespace bronze
