#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "fakes/loopback_listener.h"

namespace bronze {

/// A Kafka broker that knows version 0 of the Metadata request and nothing else, for answers that a
/// real one gives for a moment only. On a thread of its own.
/// The client needs `api.version.request=false`.
class MetadataServer {
 public:
  explicit MetadataServer(std::string topic)
      : topic_(std::move(topic)), thread_([this] { serve(); }) {}
  ~MetadataServer() {
    stop_ = true;
    thread_.join();
  }
  MetadataServer(const MetadataServer&) = delete;
  MetadataServer& operator=(const MetadataServer&) = delete;

  [[nodiscard]] std::string address() const {
    return "127.0.0.1:" + std::to_string(listener_.port);
  }
  /// From now on it names itself as a broker, or nobody.
  void name_brokers(int count) { brokers_ = count; }
  [[nodiscard]] int answers() const { return answers_; }

 private:
  static void add(std::string& bytes, std::int32_t value, int size) {
    for (int i = size - 1; i >= 0; --i) bytes += static_cast<char>(value >> (8 * i));
  }

  static void add(std::string& bytes, const std::string& text) {
    add(bytes, static_cast<std::int32_t>(text.size()), 2);
    bytes += text;
  }

  [[nodiscard]] static bool read(int connection, std::string& bytes) {
    return recv(connection, bytes.data(), bytes.size(), MSG_WAITALL) ==
           static_cast<ssize_t>(bytes.size());
  }

  void serve() {
    std::vector<pollfd> sockets{{.fd = listener_.socket, .events = POLLIN, .revents = 0}};
    while (!stop_) {
      poll(sockets.data(), sockets.size(), 20);
      for (std::size_t i = sockets.size() - 1; i > 0; --i) {
        if (sockets[i].revents == 0 || answer_one(sockets[i].fd)) continue;
        close(sockets[i].fd);
        sockets.erase(sockets.begin() + static_cast<std::ptrdiff_t>(i));
      }
      if (sockets[0].revents == 0) continue;
      sockets.push_back(
          {.fd = accept(listener_.socket, nullptr, nullptr), .events = POLLIN, .revents = 0});
    }
    for (const pollfd& socket : sockets) close(socket.fd);
  }

  [[nodiscard]] bool answer_one(int connection) {
    std::string size(4, '\0');
    if (!read(connection, size)) return false;
    std::uint32_t length = 0;
    for (const char byte : size) length = length << 8 | static_cast<unsigned char>(byte);
    std::string request(length, '\0');
    if (!read(connection, request) || length < 8) return false;
    constexpr std::string_view k_metadata_0{"\0\3\0\0", 4};
    if (!request.starts_with(k_metadata_0)) return true;
    const std::string answer = metadata(request.substr(4, 4));
    ++answers_;
    return send(connection, answer.data(), answer.size(), MSG_NOSIGNAL) > 0;
  }

  /// The topic is there, without a leader.
  [[nodiscard]] std::string metadata(const std::string& correlation_id) const {
    constexpr std::int32_t k_leader_not_available = 5;
    std::string body = correlation_id;
    const int brokers = brokers_;
    add(body, brokers, 4);
    for (int id = 1; id <= brokers; ++id) {
      add(body, id, 4);
      add(body, "127.0.0.1");
      add(body, listener_.port, 4);
    }
    add(body, 1, 4);
    add(body, k_leader_not_available, 2);
    add(body, topic_);
    add(body, 0, 4);
    std::string framed;
    add(framed, static_cast<std::int32_t>(body.size()), 4);
    return framed + body;
  }

  const std::string topic_;
  const LoopbackListener listener_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> brokers_ = 1;
  std::atomic<int> answers_ = 0;
  std::thread thread_;
};

}  // namespace bronze
