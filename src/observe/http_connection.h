#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

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
/// Reads the whole head of the request, within limits of size and time, and keeps only its first
/// line: no page depends on a header, and bodies are never read.
class HttpConnection {
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

  /// Of a complete head, without the end of the line.
  [[nodiscard]] const std::string& request_line() const { return line_; }

  /// Gives up when the client does not take it in time.
  void write(std::string_view data);

 private:
  enum class Readiness { kReadable, kWritable };

  [[nodiscard]] bool wait_for(Readiness wanted) const;
  [[nodiscard]] bool is_out_of_time() const;

  const int socket_;
  const ServerLoad& load_;
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::string line_;
};

}  // namespace bronze::observe
