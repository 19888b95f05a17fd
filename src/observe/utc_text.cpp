#include "observe/utc_text.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>

namespace bronze::observe {

std::string utc_text(UnixMicros micros) {
  using namespace std::chrono;
  const sys_time<microseconds> time{microseconds{micros}};
  const auto second = floor<seconds>(time);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(system_clock::to_time_t(second)),
                     duration_cast<milliseconds>(time - second).count());
}

}  // namespace bronze::observe
