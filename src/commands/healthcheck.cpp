#include "commands/healthcheck.h"

#include <chrono>
#include <ostream>
#include <string>

#include "observe/httplib.h"

namespace bronze::commands {
namespace {

// Together the 4 seconds of the contract.
constexpr std::chrono::milliseconds k_connect_max{1'000};
constexpr std::chrono::milliseconds k_write_max{500};
constexpr std::chrono::milliseconds k_read_max{2'500};

/// A server that listens on all addresses is asked at the loopback one.
std::string address_to_ask(const std::string& listen_host) {
  const bool any = listen_host == "0.0.0.0" || listen_host == "::" || listen_host.empty();
  return any ? "127.0.0.1" : listen_host;
}

std::string reason_of(httplib::Error error) {
  switch (error) {
    case httplib::Error::Connection:
      return "nothing listens there. Is bronze running here, with the same HTTP_HOST and "
             "HTTP_PORT?";
    case httplib::Error::ConnectionTimeout:
    case httplib::Error::Read:
    case httplib::Error::Write:
      return "it takes too long, or the connection broke";
    default:
      return httplib::to_string(error);
  }
}

}  // namespace

int healthcheck(const config::HttpConfig& http, std::ostream& out) {
  const std::string host = address_to_ask(http.host);
  httplib::Client client(host, http.port);
  client.set_connection_timeout(k_connect_max);
  client.set_write_timeout(k_write_max);
  client.set_read_timeout(k_read_max);
  client.set_keep_alive(false);
  const auto answer = client.Get("/health");
  if (!answer) {
    out << "no answer from " << host << " port " << http.port << ": " << reason_of(answer.error())
        << '\n';
    return 1;
  }
  out << answer->body << '\n';
  return answer->status == 200 ? 0 : 1;
}

}  // namespace bronze::commands
