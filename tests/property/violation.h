#pragma once

#include <stdexcept>

namespace bronze::property {

/// The exactly-once rule was broken; says how.
struct Violation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace bronze::property
