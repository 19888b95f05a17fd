#pragma once

#ifdef BRONZE_WITHOUT_HOOKS
#error "add the file that includes this to hooked_sources in CMakeLists.txt"
#endif

#include <string_view>

namespace bronze {

#ifdef BRONZE_TEST_HOOKS
/// Arms one kill point: `name` or `name:N`. The process kills itself (SIGKILL) at the N-th passing.
/// Throws std::invalid_argument for anything else.
void arm_kill_point(std::string_view specification);
/// A place at which a test build can die. Names are those of the fault tests.
void kill_point(std::string_view name);
#else
inline void kill_point(std::string_view /*name*/) {}
#endif

}  // namespace bronze
