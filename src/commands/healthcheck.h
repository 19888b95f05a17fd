#pragma once

#include <iosfwd>

#include "config/config.h"

namespace bronze::commands {

/// `bronze healthcheck`: asks the service of this machine for /health and writes its body, or why
/// there is none, to `out`. Returns the exit code: 0 for status 200, otherwise 1. Waits at
/// most 4 seconds for the answer.
[[nodiscard]] int healthcheck(const config::HttpConfig& http, std::ostream& out);

}  // namespace bronze::commands
