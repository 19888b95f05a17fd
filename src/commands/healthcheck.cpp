#include "commands/healthcheck.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "observe/socket.h"

namespace bronze::commands {
namespace {

using observe::Socket;

// Together less than the 4 seconds of the contract.
constexpr std::chrono::milliseconds k_connect_max{1'000};
constexpr std::chrono::milliseconds k_answer_max{2'500};
constexpr std::size_t k_answer_bytes_max = std::size_t{16} * 1024 * 1024;

constexpr const char* k_broken = "it takes too long, or the connection broke";
constexpr const char* k_nobody =
    "nothing listens there. Is bronze running here, with the same HTTP_HOST and HTTP_PORT?";

struct HttpAnswer {
  int status = 0;
  std::string body;
};

/// A server that listens on all addresses is asked at the loopback one.
std::string address_to_ask(const std::string& listen_host) {
  const bool any = listen_host == "0.0.0.0" || listen_host == "::" || listen_host.empty();
  return any ? "127.0.0.1" : listen_host;
}

class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds wait)
      : end_(std::chrono::steady_clock::now() + wait) {}

  /// Throws std::runtime_error when it passes before.
  void wait_for(const Socket& socket, short events) const {
    pollfd poller{.fd = socket.get(), .events = events, .revents = 0};
    while (true) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          end_ - std::chrono::steady_clock::now());
      const int ready = left.count() > 0 ? ::poll(&poller, 1, static_cast<int>(left.count())) : 0;
      if (ready > 0) return;
      if (ready == 0 || errno != EINTR) throw std::runtime_error(k_broken);
    }
  }

 private:
  const std::chrono::steady_clock::time_point end_;
};

Socket connect_to(const addrinfo& address, const Deadline& deadline) {
  const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
  Socket socket(::socket(address.ai_family, type, address.ai_protocol));
  if (!socket.is_open()) throw std::runtime_error(k_nobody);
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) throw std::runtime_error(k_nobody);
  deadline.wait_for(socket, POLLOUT);
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) throw std::runtime_error(k_nobody);
  return socket;
}

/// To the first of its addresses where somebody listens.
Socket connect_to(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int problem = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (problem != 0) throw std::runtime_error(::gai_strerror(problem));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  const Deadline deadline(k_connect_max);
  std::string why = k_nobody;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    try {
      return connect_to(*address, deadline);
    } catch (const std::runtime_error& e) {
      why = e.what();
    }
  }
  throw std::runtime_error(why);
}

void send_all(const Socket& socket, std::string_view text, const Deadline& deadline) {
  while (!text.empty()) {
    deadline.wait_for(socket, POLLOUT);
    const ssize_t count = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) throw std::runtime_error(k_broken);
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
}

/// Until the server closes, as it does after each answer.
std::string receive_all(const Socket& socket, const Deadline& deadline) {
  std::string text;
  std::array<char, 4'096> chunk{};
  while (text.size() < k_answer_bytes_max) {
    deadline.wait_for(socket, POLLIN);
    const ssize_t count = ::recv(socket.get(), chunk.data(), chunk.size(), 0);
    if (count == 0) return text;
    if (count > 0) {
      text.append(chunk.data(), static_cast<std::size_t>(count));
    } else if (errno != EAGAIN && errno != EINTR) {
      throw std::runtime_error(k_broken);
    }
  }
  throw std::runtime_error("its answer has no end");
}

HttpAnswer parse(const std::string& text) {
  constexpr std::string_view k_version = "HTTP/1.1 ";
  constexpr std::string_view k_end_of_head = "\r\n\r\n";
  const std::size_t end = text.find(k_end_of_head);
  const bool is_http = text.starts_with(k_version) && end != std::string::npos;
  if (!is_http) throw std::runtime_error("what it says is not HTTP");
  return {.status = std::atoi(text.c_str() + k_version.size()),
          .body = text.substr(end + k_end_of_head.size())};
}

/// Throws std::runtime_error that says why there is no answer.
HttpAnswer get_health(const std::string& host, std::uint16_t port) {
  const Socket socket = connect_to(host, port);
  const Deadline deadline(k_answer_max);
  send_all(socket, "GET /health HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n",
           deadline);
  return parse(receive_all(socket, deadline));
}

}  // namespace

int healthcheck(const config::HttpConfig& http, std::ostream& out) {
  const std::string host = address_to_ask(http.host);
  try {
    const HttpAnswer answer = get_health(host, http.port);
    out << answer.body << '\n';
    return answer.status == 200 ? 0 : 1;
  } catch (const std::runtime_error& e) {
    out << "no answer from " << host << " port " << http.port << ": " << e.what() << '\n';
    return 1;
  }
}

}  // namespace bronze::commands
