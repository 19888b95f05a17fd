#include "observe/http_server.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

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
#include "observe/httplib.h"

namespace bronze::observe {
namespace {

/// More than this waits for its SYN to be sent again.
constexpr int k_backlog = 128;
constexpr std::chrono::seconds k_listen_again{1};
constexpr const char* k_json = "application/json";

std::string error_body(std::string_view error) { return nlohmann::json{{"error", error}}.dump(); }

std::string_view phrase(int status) {
  switch (status) {
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
    default:
      return "bad request";
  }
}

/// Of a head that never reaches httplib; nullopt = no answer.
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

void answer_raw(HttpConnection& connection, int status) {
  const std::string body = error_body(phrase(status));
  connection.write("HTTP/1.1 " + std::to_string(status) + " " + std::string(phrase(status)) +
                   "\r\nConnection: close\r\nContent-Type: " + k_json +
                   "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

/// httplib's default lets a second process share the port, and each would get half the requests.
void set_socket_options(socket_t socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

}  // namespace

/// httplib's server with connections, workers and stopping of our own.
class HttpServer::Listener final : public httplib::Server {
 public:
  Listener(std::string host, std::uint16_t port, HealthProvider health)
      : host_(std::move(host)), port_(port), health_(std::move(health)) {
    set_socket_options(&observe::set_socket_options);
    new_task_queue = [this] { return new HttpWorkers(load_); };
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      route(request, response);
      return HandlerResponse::Handled;
    });
    set_exception_handler([](const httplib::Request& request, httplib::Response& response,
                             const std::exception_ptr&) {
      spdlog::error("HTTP: {} failed", request.path);
      response.status = 500;
    });
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty()) {
        response.set_content(error_body(phrase(response.status)), k_json);
      }
    });
    open();
    thread_ = std::jthread([this](const std::stop_token& stop) { accept_until(stop); });
  }

  ~Listener() override { stop_listening(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void stop_listening() {
    thread_.request_stop();
    load_.stopping = true;
    // Wakes accept; closing here could hit a descriptor that another thread has just opened.
    ::shutdown(svr_sock_, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  /// Throws std::runtime_error.
  void open() {
    errno = 0;
    const int bound =
        port_ == 0 ? bind_to_any_port(host_) : (bind_to_port(host_, port_) ? port_ : -1);
    if (bound < 0 || ::listen(svr_sock_, k_backlog) != 0) {
      const std::string why = errno == 0 ? "no such address" : std::strerror(errno);
      if (bound >= 0) ::close(svr_sock_);
      throw std::runtime_error("cannot listen on HTTP_HOST=" + host_ +
                               " HTTP_PORT=" + std::to_string(port_) + ": " + why);
    }
    port_ = static_cast<std::uint16_t>(bound);
  }

  void accept_until(const std::stop_token& stop) {
    while (true) {
      listen_after_bind();
      while (true) {
        std::unique_lock lock(mutex_);
        stopped_.wait_for(lock, stop, k_listen_again, [] { return false; });
        if (stop.stop_requested()) return;
        try {
          open();
          if (stop.stop_requested()) return;  // the stop may have missed the new socket
          spdlog::warn("HTTP server listens again on port {}", port_);
          break;
        } catch (const std::runtime_error& e) {
          spdlog::error("HTTP server stopped accepting, trying again: {}", e.what());
        }
      }
    }
  }

  bool process_and_close_socket(socket_t socket) override {
    HttpConnection connection(socket, load_);
    const auto head = connection.read_head();
    if (head == HttpConnection::Head::kComplete) {
      bool closed = false;
      process_request(connection, true, closed, nullptr);
    } else if (const auto status = status_of(head)) {
      answer_raw(connection, *status);
    }
    if (head != HttpConnection::Head::kNone) connection.drain();
    ::close(socket);
    return true;
  }

  void route(const httplib::Request& request, httplib::Response& response) const {
    if (request.path != "/health") {
      response.status = 404;
      return;
    }
    if (request.method != "GET" && request.method != "HEAD") {
      response.status = 405;
      response.set_header("Allow", "GET, HEAD");
      return;
    }
    const Health health = health_();
    response.status = health.healthy ? 200 : 503;
    response.set_header("Cache-Control", "no-store");
    response.set_content(health.body, k_json);
  }

  const std::string host_;
  std::uint16_t port_;
  const HealthProvider health_;
  ServerLoad load_;
  std::mutex mutex_;
  std::condition_variable_any stopped_;
  std::jthread thread_;
};

HttpServer::HttpServer(const std::string& host, std::uint16_t port, HealthProvider health)
    : listener_(std::make_unique<Listener>(host, port, std::move(health))) {}

HttpServer::~HttpServer() = default;

void HttpServer::stop() { listener_->stop_listening(); }

std::uint16_t HttpServer::port() const { return listener_->port(); }

}  // namespace bronze::observe
