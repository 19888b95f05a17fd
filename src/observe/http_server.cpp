#include "observe/http_server.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>

#include "observe/http_connection.h"
#include "observe/http_workers.h"
#include "observe/socket.h"

namespace bronze::observe {
namespace {

/// More than this waits for its SYN to be sent again.
constexpr int k_backlog = 128;
constexpr std::chrono::seconds k_listen_again{1};
/// Until descriptors or memory are free again.
constexpr std::chrono::milliseconds k_accept_again{10};
constexpr const char* k_json = "application/json";

std::string error_body(std::string_view error) { return nlohmann::json{{"error", error}}.dump(); }

std::string_view phrase(int status) {
  switch (status) {
    case 200:
      return "ok";
    case 404:
      return "not found";
    case 405:
      return "method not allowed";
    case 408:
      return "request timeout";
    case 414:
      return "uri too long";
    case 431:
      return "request header fields too large";
    case 500:
      return "internal error";
    case 503:
      return "service unavailable";
    default:
      return "bad request";
  }
}

/// Of a head that is not complete; nullopt = no answer.
std::optional<int> status_of(HttpConnection::Head head) {
  switch (head) {
    case HttpConnection::Head::kUriTooLarge:
      return 414;
    case HttpConnection::Head::kHeadersTooLarge:
      return 431;
    case HttpConnection::Head::kTooSlow:
      return 408;
    case HttpConnection::Head::kComplete:
    case HttpConnection::Head::kNone:
      break;
  }
  return std::nullopt;
}

struct Request {
  std::string_view method;
  /// Without the query.
  std::string_view path;
};

bool is_known_method(std::string_view method) {
  constexpr std::array<std::string_view, 9> k_methods = {
      "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
  return std::find(k_methods.begin(), k_methods.end(), method) != k_methods.end();
}

/// nullopt = malformed.
std::optional<Request> parse(std::string_view line) {
  const bool printable = std::all_of(line.begin(), line.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= ' ' && byte != 0x7F;
  });
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (!printable || first == std::string_view::npos || first == last) return std::nullopt;
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const Request request{.method = line.substr(0, first),
                        .path = target.substr(0, target.find_first_of("?#"))};
  const bool known = version == "HTTP/1.1" || version == "HTTP/1.0";
  if (!known || !is_known_method(request.method) || target.empty() ||
      target.find(' ') != std::string_view::npos) {
    return std::nullopt;
  }
  return request;
}

Page refusal(int status) {
  return {.status = status, .content_type = k_json, .body = error_body(phrase(status))};
}

std::string head_of(const Page& page) {
  return "HTTP/1.1 " + std::to_string(page.status) + " " + std::string(phrase(page.status)) +
         "\r\nConnection: close\r\nContent-Type: " + page.content_type +
         "\r\nContent-Length: " + std::to_string(page.body.size()) +
         "\r\nX-Content-Type-Options: nosniff\r\n" + page.more_headers + "\r\n";
}

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
    Socket socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, address->ai_protocol));
    const int yes = 1;
    const int no = 0;
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
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

class HttpServer::Listener {
 public:
  Listener(std::string host, std::uint16_t port, Pages pages, EventLog& log)
      : host_(std::move(host)), port_(port), pages_(std::move(pages)), log_(log) {
    open();
    thread_ = std::jthread([this](const std::stop_token& stop) { accept_until(stop); });
  }

  ~Listener() { stop_listening(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void stop_listening() {
    thread_.request_stop();
    load_.stopping = true;
    {
      // Wakes accept, which closes the socket itself.
      const std::lock_guard lock(mutex_);
      ::shutdown(socket_.get(), SHUT_RDWR);
    }
    if (thread_.joinable()) thread_.join();
    workers_.shutdown();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  /// Throws std::runtime_error.
  void open() {
    try {
      Socket socket = listening_socket(host_, port_);
      if (port_ == 0) port_ = port_of(socket);
      const std::lock_guard lock(mutex_);
      socket_ = std::move(socket);
    } catch (const std::runtime_error& e) {
      throw std::runtime_error("cannot listen on HTTP_HOST=" + host_ +
                               " HTTP_PORT=" + std::to_string(port_) + ": " + e.what());
    }
  }

  void close() {
    const std::lock_guard lock(mutex_);
    socket_ = Socket();
  }

  void accept_until(const std::stop_token& stop) {
    while (true) {
      if (socket_.is_open()) accept_while_possible();
      close();
      std::unique_lock lock(mutex_);
      stopped_.wait_for(lock, stop, k_listen_again, [] { return false; });
      lock.unlock();
      if (stop.stop_requested()) return;
      try {
        open();
        if (stop.stop_requested()) return close();  // the stop may have missed the new socket
        log_.tell(LogEvent::kHttpRecovered, {}, "HTTP server listens again on port {}", port());
      } catch (const std::runtime_error& e) {
        log_.tell(LogEvent::kHttpFailed, {.operation = "listen", .reason = e.what()},
                  "HTTP server stopped accepting, trying again: {}", e.what());
      }
    }
  }

  /// Ends when the socket has been shut down, or is of no use any more.
  void accept_while_possible() {
    while (!load_.stopping) {
      const int client = ::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (client >= 0) {
        workers_.enqueue([this, client] { serve(Socket(client)); });
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        const std::string why = std::strerror(errno);
        log_.tell(LogEvent::kHttpFailed, {.operation = "accept", .reason = why},
                  "HTTP server cannot take a connection, trying again: {}", why);
        std::this_thread::sleep_for(k_accept_again);
      } else if (errno != EINTR && errno != ECONNABORTED) {
        return;
      }
    }
  }

  void serve(const Socket& socket) const {
    HttpConnection connection(socket.get(), load_);
    const auto head = connection.read_head();
    if (head == HttpConnection::Head::kNone) return;
    if (const auto status = status_of(head)) {
      const Page answer = refusal(*status);
      connection.write(head_of(answer) + answer.body);
    } else {
      const auto request = parse(connection.request_line());
      const Page answer = request ? answer_to(*request) : refusal(400);
      const bool without_body = request && request->method == "HEAD";
      connection.write(without_body ? head_of(answer) : head_of(answer) + answer.body);
    }
    connection.drain();
  }

  [[nodiscard]] Page answer_to(const Request& request) const {
    const auto found = pages_.find(request.path);
    if (found == pages_.end()) return refusal(404);
    if (request.method != "GET" && request.method != "HEAD") {
      Page answer = refusal(405);
      answer.more_headers = "Allow: GET, HEAD\r\n";
      return answer;
    }
    try {
      Page page = found->second();
      page.more_headers += "Cache-Control: no-store\r\n";
      return page;
    } catch (const std::exception& e) {
      log_.tell(LogEvent::kHttpFailed, {.operation = "answer", .reason = e.what()},
                "HTTP: {} failed: {}", request.path, e.what());
      return refusal(500);
    }
  }

  const std::string host_;
  std::uint16_t port_;
  const Pages pages_;
  EventLog& log_;
  ServerLoad load_;
  HttpWorkers workers_{load_};
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  /// Changed under mutex_, and only by the thread that accepts once it runs.
  Socket socket_;
  std::jthread thread_;
};

HttpServer::HttpServer(const std::string& host, std::uint16_t port, Pages pages, EventLog& log)
    : listener_(std::make_unique<Listener>(host, port, std::move(pages), log)) {}

HttpServer::~HttpServer() = default;

void HttpServer::stop() { listener_->stop_listening(); }

std::uint16_t HttpServer::port() const { return listener_->port(); }

}  // namespace bronze::observe
