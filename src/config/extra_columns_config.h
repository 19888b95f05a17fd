#pragma once

#include "config/config.h"
#include "config/reader.h"

namespace bronze::config {

/// EXTRA_COLUMNS.
[[nodiscard]] ExtraColumns read_extra_columns(Reader& reader);

}  // namespace bronze::config
