#pragma once

#include <string>

#include "base/clock.h"

namespace bronze {

/// The UTC date of `time` as yyyy-MM-dd.
[[nodiscard]] std::string utc_date(UnixMicros time);

}  // namespace bronze
