#pragma once

#include <string>

namespace bronze {

/// A random UUID (version 4) in its usual text form: names one batch over all its attempts.
[[nodiscard]] std::string new_token();

}  // namespace bronze
