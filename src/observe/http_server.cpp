#include "observe/http_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <list>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "observe/socket.h"

namespace bronze::observe {
namespace {

using std::chrono::steady_clock;
using Phase = HttpConnection::Phase;

/// More than this waits for its SYN to be sent again.
constexpr int k_backlog = 4096;
/// What the kernel holds of an answer, twice as much with its own. On a fast network it would take
/// some megabytes.
constexpr int k_send_buffer_bytes = 64 * 1024;
/// While all places are taken, a turn takes at least so long and accepts at most so many. That
/// bounds what a flood of connections costs, and each lives for long enough to send its request.
constexpr std::chrono::milliseconds k_turn_when_full{10};
constexpr int k_accepted_a_turn = 128;
constexpr std::chrono::seconds k_listen_again{1};
/// Until descriptors or memory are free again.
constexpr std::chrono::milliseconds k_accept_again{10};

/// Throws std::runtime_error that says why.
Socket listening_socket(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int problem = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                    std::to_string(port).c_str(), &hints, &found);
  if (problem != 0) throw std::runtime_error(::gai_strerror(problem));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  int error = 0;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    Socket socket(::socket(address->ai_family, type, address->ai_protocol));
    const int yes = 1;
    const int no = 0;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    // Accepted ones inherit it.
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &k_send_buffer_bytes,
                 sizeof(k_send_buffer_bytes));
    if (address->ai_family == AF_INET6) {
      ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    }
    if (socket.is_open() && ::bind(socket.get(), address->ai_addr, address->ai_addrlen) == 0 &&
        ::listen(socket.get(), k_backlog) == 0) {
      return socket;
    }
    error = errno;
  }
  throw std::runtime_error(std::strerror(error));
}

std::uint16_t port_of(const Socket& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

/// All but `stop_serving` and the constructor runs on its thread.
class HttpServer::Listener {
 public:
  Listener(std::string host, std::uint16_t port, Pages pages, EventLog& log,
           const HttpLimits& limits)
      : host_(std::move(host)), port_(port), pages_(std::move(pages)), log_(log), limits_(limits) {
    open();
    port_ = port_of(socket_);
    thread_ = std::jthread([this](const std::stop_token& stop) { serve_until(stop); });
  }

  ~Listener() { stop_serving(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void stop_serving() {
    thread_.request_stop();
    ::eventfd_write(wake_.get(), 1);
    if (thread_.joinable()) thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  /// Throws std::runtime_error.
  void open() {
    try {
      socket_ = listening_socket(host_, port_);
    } catch (const std::runtime_error& e) {
      throw std::runtime_error("cannot listen on HTTP_HOST=" + host_ +
                               " HTTP_PORT=" + std::to_string(port_) + ": " + e.what());
    }
  }

  void serve_until(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (!socket_.is_open() && steady_clock::now() >= accept_at_) listen_again();
      if (connections_.size() >= limits_.connections) std::this_thread::sleep_for(k_turn_when_full);
      const std::vector<pollfd> polled = wait();
      std::size_t at = 2;
      for (HttpConnection& connection : connections_) serve(connection, polled[at++].revents != 0);
      if (polled[1].revents != 0) accept_some();
      std::erase_if(connections_, [](const auto& each) { return each.phase() == Phase::kClosed; });
    }
    connections_.clear();
    socket_ = Socket();
  }

  /// For an event or until something has to be done: whether stopped, whether somebody connects,
  /// then each connection.
  [[nodiscard]] std::vector<pollfd> wait() const {
    const SteadyTime now = steady_clock::now();
    const bool accepts = socket_.is_open() && now >= accept_at_;
    std::vector<pollfd> polled = {
        {.fd = wake_.get(), .events = POLLIN, .revents = 0},
        {.fd = accepts ? socket_.get() : -1, .events = POLLIN, .revents = 0}};
    SteadyTime until = accepts ? SteadyTime::max() : accept_at_;
    for (const HttpConnection& connection : connections_) {
      polled.push_back(connection.polled());
      until = std::min(until, connection.deadline());
    }
    ::poll(polled.data(), polled.size(), milliseconds_between(now, until));
    return polled;
  }

  /// -1 = for ever, as poll has it; rounded up.
  static int milliseconds_between(SteadyTime now, SteadyTime until) {
    using std::chrono::milliseconds;
    if (until == SteadyTime::max()) return -1;
    return static_cast<int>(
        std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - now)).count());
  }

  void serve(HttpConnection& connection, bool ready) {
    const SteadyTime now = steady_clock::now();
    if (ready) connection.proceed(now);
    if (now >= connection.deadline()) connection.expire(now);
    if (connection.phase() == Phase::kAnswering) bound_unfinished_answers();
  }

  void bound_unfinished_answers() {
    const auto unfinished = [](const auto& each) { return each.phase() == Phase::kAnswering; };
    const auto count = std::count_if(connections_.begin(), connections_.end(), unfinished);
    if (static_cast<std::size_t>(count) <= limits_.unfinished_answers) return;
    std::find_if(connections_.begin(), connections_.end(), unfinished)->reset();
  }

  void accept_some() {
    for (int i = 0; i < k_accepted_a_turn; ++i) {
      Socket client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
      if (client.is_open()) {
        if (connections_.size() >= limits_.connections) drop_oldest();
        connections_.emplace_back(std::move(client), limits_, respond_, steady_clock::now());
      } else if (errno == EAGAIN) {
        return;
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        const std::string why = std::strerror(errno);
        log_.tell(LogEvent::kHttpFailed, {.operation = "accept", .reason = why},
                  "HTTP server cannot take a connection, trying again: {}", why);
        accept_at_ = steady_clock::now() + k_accept_again;
        return;
      } else if (errno != EINTR && errno != ECONNABORTED) {
        socket_ = Socket();
        accept_at_ = steady_clock::now() + k_listen_again;
        return;
      }
    }
  }

  /// There is one without an unfinished answer: of those there are fewer than connections.
  void drop_oldest() {
    const auto oldest = std::find_if(connections_.begin(), connections_.end(),
                                     [](auto& each) { return each.phase() != Phase::kAnswering; });
    oldest->reset();
    connections_.erase(oldest);
  }

  void listen_again() {
    try {
      open();
      log_.tell(LogEvent::kHttpRecovered, {}, "HTTP server listens again on port {}", port_);
    } catch (const std::runtime_error& e) {
      accept_at_ = steady_clock::now() + k_listen_again;
      log_.tell(LogEvent::kHttpFailed, {.operation = "listen", .reason = e.what()},
                "HTTP server stopped accepting, trying again: {}", e.what());
    }
  }

  const std::string host_;
  std::uint16_t port_;
  const Pages pages_;
  EventLog& log_;
  const HttpLimits limits_;
  const HttpConnection::Respond respond_ = [this](Head head, std::string_view line) {
    return answer_to(pages_, log_, head, line);
  };
  const Socket wake_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  Socket socket_;
  /// Before, accepting would fail again.
  SteadyTime accept_at_ = SteadyTime::min();
  /// In the order in which they were accepted.
  std::list<HttpConnection> connections_;
  std::jthread thread_;
};

HttpServer::HttpServer(const std::string& host, std::uint16_t port, Pages pages, EventLog& log,
                       HttpLimits limits)
    : listener_(std::make_unique<Listener>(host, port, std::move(pages), log, limits)) {}

HttpServer::~HttpServer() = default;

void HttpServer::stop() { listener_->stop_serving(); }

std::uint16_t HttpServer::port() const { return listener_->port(); }

}  // namespace bronze::observe
