#include "commands/http_get.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "config/endpoint.h"
#include "config/reader.h"
#include "observe/socket.h"

namespace bronze::commands {
namespace {

using observe::Socket;

constexpr std::size_t k_answer_bytes_max = std::size_t{16} * 1024 * 1024;

constexpr const char* k_nobody =
    "nothing listens there. Is bronze running, with that HTTP_HOST and HTTP_PORT?";
constexpr const char* k_broken = "it takes too long, or the connection broke";

/// An IPv6 address stands in brackets.
std::string authority(const HttpPlace& place) {
  const bool is_ipv6 = place.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + place.host + "]" : place.host) + ":" + std::to_string(place.port);
}

class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds wait)
      : end_(std::chrono::steady_clock::now() + wait) {}

  /// Throws NoHttpAnswer when it passes before.
  void wait_for(const Socket& socket, short events) const {
    pollfd poller{.fd = socket.get(), .events = events, .revents = 0};
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end_ - std::chrono::steady_clock::now());
      const int ready = left.count() > 0 ? ::poll(&poller, 1, static_cast<int>(left.count())) : 0;
      if (ready > 0) return;
      if (ready == 0 || errno != EINTR) throw NoHttpAnswer(k_broken);
    }
  }

 private:
  const std::chrono::steady_clock::time_point end_;
};

Socket connect_to(const addrinfo& address, const Deadline& deadline) {
  const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  Socket socket(::socket(address.ai_family, type, address.ai_protocol));
  if (!socket.is_open()) throw NoHttpAnswer(k_nobody);
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) throw NoHttpAnswer(k_nobody);
  deadline.wait_for(socket, POLLOUT);
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) throw NoHttpAnswer(k_nobody);
  return socket;
}

/// To the first of its addresses where somebody listens.
Socket connect_to(const HttpPlace& place, std::chrono::milliseconds patience) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int problem =
      ::getaddrinfo(place.host.c_str(), std::to_string(place.port).c_str(), &hints, &found);
  if (problem != 0) throw NoHttpAnswer(::gai_strerror(problem));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  const Deadline deadline(patience);
  std::string why = k_nobody;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    try {
      return connect_to(*address, deadline);
    } catch (const NoHttpAnswer& e) {
      why = e.what();
    }
  }
  throw NoHttpAnswer(why);
}

void send_all(const Socket& socket, std::string_view text, const Deadline& deadline) {
  while (!text.empty()) {
    deadline.wait_for(socket, POLLOUT);
    const ssize_t count = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) throw NoHttpAnswer(k_broken);
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
}

/// Until the server closes, as it does after each answer.
std::string receive_all(const Socket& socket, const Deadline& deadline) {
  std::string text;
  std::array<char, 16'384> chunk{};
  while (text.size() < k_answer_bytes_max) {
    deadline.wait_for(socket, POLLIN);
    const ssize_t count = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
    if (count == 0) return text;
    if (count > 0) {
      text.append(chunk.data(), static_cast<std::size_t>(count));
    } else if (errno != EAGAIN && errno != EINTR) {
      throw NoHttpAnswer(k_broken);
    }
  }
  throw NoHttpAnswer("its answer has no end");
}

HttpAnswer parse(const std::string& text) {
  constexpr std::string_view k_version = "HTTP/1.";
  constexpr std::size_t k_status_at = k_version.size() + 2;
  constexpr std::string_view k_end_of_head = "\r\n\r\n";
  const std::size_t end = text.find(k_end_of_head);
  const bool is_http = text.starts_with(k_version) && end != std::string::npos;
  if (!is_http) throw NoHttpAnswer("what it says is not HTTP");
  return {.status = std::atoi(text.c_str() + k_status_at),
          .body = text.substr(end + k_end_of_head.size())};
}

}  // namespace

std::string HttpPlace::url() const { return "http://" + authority(*this) + prefix; }

HttpPlace place_of(const config::HttpConfig& http) {
  const bool any = http.host == "0.0.0.0" || http.host == "::" || http.host.empty();
  return {.host = any ? "127.0.0.1" : http.host, .port = http.port};
}

std::variant<HttpPlace, config::ConfigError> place_at(const std::string& url) {
  constexpr std::string_view k_scheme = "http://";
  if (config::Reader::lower_case(url).starts_with("https://")) {
    return config::ConfigError{"--url",
                               "https is not spoken here: give the service's own address, "
                               "which is http"};
  }
  if (!config::is_endpoint(url)) {
    return config::ConfigError{"--url",
                               "expected http://host[:port][/prefix]; " + config::told(url)};
  }
  std::string_view rest = std::string_view(url).substr(k_scheme.size());
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view host = rest.substr(0, slash);
  HttpPlace place;
  place.prefix = rest.substr(slash);
  while (place.prefix.ends_with('/')) place.prefix.pop_back();
  const std::size_t colon = host.find(':', host.starts_with('[') ? host.find(']') : 0);
  if (colon != std::string_view::npos) {
    place.port = static_cast<std::uint16_t>(*config::parse_whole_number(host.substr(colon + 1)));
    host = host.substr(0, colon);
  }
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  place.host = host;
  return place;
}

HttpAnswer http_get(const HttpPlace& place, const std::string& path, HttpPatience patience) {
  const Socket socket = connect_to(place, patience.connect);
  const Deadline deadline(patience.answer);
  // As 1.0, since what speaks for the service must then not send its answer in chunks.
  send_all(socket,
           "GET " + place.prefix + path + " HTTP/1.0\r\nHost: " + authority(place) +
               "\r\nConnection: close\r\n\r\n",
           deadline);
  return parse(receive_all(socket, deadline));
}

}  // namespace bronze::commands
