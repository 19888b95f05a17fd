#include "commands/healthcheck.h"

#include <chrono>
#include <ostream>

#include "commands/http_get.h"

namespace bronze::commands {
namespace {

// Together less than the 4 seconds of the contract.
constexpr HttpPatience k_patience{.connect = std::chrono::milliseconds(1'000),
                                  .answer = std::chrono::milliseconds(2'500)};

}  // namespace

int healthcheck(const config::HttpConfig& http, std::ostream& out) {
  const HttpPlace place = place_of(http);
  try {
    const HttpAnswer answer = http_get(place, "/health", k_patience);
    out << answer.body << '\n';
    return answer.status == 200 ? 0 : 1;
  } catch (const NoHttpAnswer& why) {
    out << "no answer from " << place.host << " port " << place.port << ": " << why.what() << '\n';
    return 1;
  }
}

}  // namespace bronze::commands
