#pragma once

#include <string>

#include "base/clock.h"
#include "config/config.h"

namespace bronze::demo {

/// What the service of the demo reads instead of the process environment: HTTP_PORT is the user's;
/// nothing else of what is set for a real service counts.
[[nodiscard]] config::EnvLookup demo_environment(const config::EnvLookup& process,
                                                 const std::string& folder);

/// The name of a run that begins at `now`: `20260115-103000`, UTC.
[[nodiscard]] std::string run_name(UnixMicros now);

}  // namespace bronze::demo
