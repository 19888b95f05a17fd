#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tidy/source.h"

namespace bronze::tidy {

struct Function {
  /// The first line of the declaration, from 1 on.
  std::size_t line = 0;
  /// From there to the closing brace.
  std::size_t lines = 0;
};

/// The functions with a body; in C++ not those inside of others. Found by counting braces, for code
/// that the formatters have been over.
[[nodiscard]] std::vector<Function> functions_of(const Source& source);

struct Constructor {
  std::string name;
  std::size_t line = 0;
  std::size_t parameters = 0;
};

/// The C++ constructors, declared or defined.
[[nodiscard]] std::vector<Constructor> constructors_of(const Source& source);

}  // namespace bronze::tidy
