#pragma once

#include <string>

#include "base/clock.h"

namespace bronze::observe {

/// `2024-01-15T10:30:00.123Z`
[[nodiscard]] std::string utc_text(UnixMicros micros);

}  // namespace bronze::observe
