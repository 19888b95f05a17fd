#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "fakes/loopback_listener.h"

namespace bronze {

/// A schema registry that knows a few answers by their path, and of everything else says that it
/// does not know it. On a thread of its own.
class SchemaServer {
 public:
  explicit SchemaServer(std::map<std::string, std::string> answers)
      : answers_(std::move(answers)), thread_([this] { serve(); }) {}
  ~SchemaServer() {
    stop_ = true;
    thread_.join();
    close(listener_.socket);
  }
  SchemaServer(const SchemaServer&) = delete;
  SchemaServer& operator=(const SchemaServer&) = delete;

  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(listener_.port);
  }
  [[nodiscard]] int requests() const { return requests_; }
  /// Of the last request, with its head.
  [[nodiscard]] std::string last() const {
    const std::lock_guard lock(mutex_);
    return last_;
  }

 private:
  void serve() {
    while (!stop_) {
      pollfd waiting{.fd = listener_.socket, .events = POLLIN, .revents = 0};
      if (poll(&waiting, 1, 20) == 1) answer(accept(listener_.socket, nullptr, nullptr));
    }
  }

  void answer(int connection) {
    std::string request;
    char byte = 0;
    while (!request.ends_with("\r\n\r\n") && recv(connection, &byte, 1, 0) == 1) request += byte;
    {
      const std::lock_guard lock(mutex_);
      last_ = request;
    }
    const std::size_t begin = request.find(' ') + 1;
    const auto found = answers_.find(request.substr(begin, request.find(' ', begin) - begin));
    const bool known = found != answers_.end();
    const std::string body =
        known ? found->second : R"({"error_code":40403,"message":"not found"})";
    const std::string response =
        std::string("HTTP/1.1 ") + (known ? "200 OK" : "404 Not Found") +
        "\r\nconnection: close\r\ncontent-length: " + std::to_string(body.size()) + "\r\n\r\n" +
        body;
    ++requests_;
    (void)send(connection, response.data(), response.size(), MSG_NOSIGNAL);
    close(connection);
  }

  const std::map<std::string, std::string> answers_;
  const LoopbackListener listener_;
  std::atomic<int> requests_ = 0;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::string last_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace bronze
