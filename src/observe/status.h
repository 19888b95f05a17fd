#pragma once

#include <string>

#include "observe/observation.h"

namespace bronze::observe {

/// The body of /status: everything that is known, as JSON. docs/status.md names each member.
[[nodiscard]] std::string status_json(const Observation& seen);

}  // namespace bronze::observe
