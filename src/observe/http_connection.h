#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "observe/httplib.h"

namespace bronze::observe {

/// What connections must know of their server, shared by its threads.
struct ServerLoad {
  std::atomic<bool> stopping = false;
  /// Accepted connections that wait for a worker.
  std::atomic<std::size_t> waiting = 0;
};

/// One accepted connection, for one request. Lives on the stack of a worker thread, does not own
/// the socket.
///
/// Reads the whole head of the request itself, within limits of size and time, and hands only its
/// first line on to httplib: no page depends on a header, bodies are never read, and httplib's
/// own reading knows no total time, no total size, and parses some headers by recursion that can
/// exhaust the stack.
class HttpConnection final : public httplib::Stream {
 public:
  /// `load` outlives the connection.
  HttpConnection(int socket, const ServerLoad& load) : socket_(socket), load_(load) {}

  enum class Head {
    kComplete,
    kUriTooLarge,
    kHeadersTooLarge,
    kTooSlow,
    /// Closed, broken, idle, or not HTTP at all (a TLS hello): nothing to answer.
    kNone,
  };

  /// To be called first. Waits up to the limit of time, which shrinks to almost nothing while
  /// others wait for a worker: an honest client has sent its request by then.
  [[nodiscard]] Head read_head();

  /// Takes what the client still sends, briefly, so that closing does not destroy the answer.
  void drain();

  [[nodiscard]] bool is_readable() const override { return next_ < line_.size(); }
  [[nodiscard]] bool is_writable() const override { return wait_for(Readiness::kWritable); }
  ssize_t read(char* out, std::size_t size) override;
  ssize_t write(const char* data, std::size_t size) override;
  using httplib::Stream::write;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  [[nodiscard]] socket_t socket() const override { return socket_; }

 private:
  enum class Readiness { kReadable, kWritable };

  [[nodiscard]] bool wait_for(Readiness wanted) const;
  [[nodiscard]] bool is_out_of_time() const;

  const int socket_;
  const ServerLoad& load_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  /// The request line as httplib gets it, and how much of it has been read.
  std::string line_;
  std::size_t next_ = 0;
};

}  // namespace bronze::observe
