#include "base/kill_point.h"

#ifdef BRONZE_TEST_HOOKS

#include <atomic>
#include <csignal>
#include <stdexcept>
#include <string>

namespace bronze {
namespace {

std::string armed_name;
std::atomic<int> passings_left{0};

}  // namespace

void arm_kill_point(std::string_view specification) {
  const std::size_t colon = specification.find(':');
  armed_name = specification.substr(0, colon);
  const std::string count(colon == std::string_view::npos ? "1" : specification.substr(colon + 1));
  passings_left = std::stoi(count);
  if (armed_name.empty() || passings_left < 1) throw std::invalid_argument("kill point");
}

void kill_point(std::string_view name) {
  if (name == armed_name && --passings_left == 0) static_cast<void>(std::raise(SIGKILL));
}

}  // namespace bronze

#endif
