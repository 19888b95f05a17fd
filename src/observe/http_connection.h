#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "observe/http_pages.h"
#include "observe/socket.h"

namespace bronze::observe {

/// What clients may take of the service.
struct HttpLimits {
  /// One more is accepted by dropping the oldest, though none with an unfinished answer.
  std::size_t connections = 256;
  /// Answers that the kernel has not wholly taken yet; one more and the oldest is given up.
  std::size_t unfinished_answers = 4;
  /// From accepting to the end of the head.
  std::chrono::milliseconds request{5'000};
  /// From the head until the client has taken the answer and closed.
  std::chrono::milliseconds answer{10'000};
};

/// One accepted connection, for one request. Owned by the server, used on its thread only; never
/// waits: its owner polls the socket and calls.
///
/// Reads the whole head of the request, within limits of size and time, and looks only at its first
/// line: no page depends on a header, and bodies are never read. A client that does not take its
/// answer is reset: otherwise the kernel would keep what it was sent for many minutes.
class HttpConnection {
 public:
  /// Makes the whole answer.
  using Respond = std::function<std::string(Head, std::string_view line)>;

  enum class Phase {
    kReading,
    /// The answer is made and not wholly with the kernel.
    kAnswering,
    /// What the client still sends is taken, so that closing does not destroy the answer.
    kDraining,
    /// The client sends no more, but has not yet acknowledged all of the answer.
    kSettling,
    kClosed,
  };

  /// `socket` does not block. `limits` and `respond` outlive the connection.
  HttpConnection(Socket socket, const HttpLimits& limits, const Respond& respond, SteadyTime now);

  /// As far as it goes without waiting.
  void proceed(SteadyTime now);
  /// To be called when `deadline` has passed.
  void expire(SteadyTime now);
  /// Closes and gives up what the client has not taken.
  void reset();

  [[nodiscard]] Phase phase() const { return phase_; }
  [[nodiscard]] SteadyTime deadline() const { return deadline_; }
  [[nodiscard]] pollfd polled() const;

 private:
  void read(SteadyTime now);
  void answer(Head head, SteadyTime now);
  void write();
  void drain(SteadyTime now);
  void settle(SteadyTime now);
  void close();

  Socket socket_;
  const HttpLimits& limits_;
  const Respond& respond_;
  Phase phase_ = Phase::kReading;
  SteadyTime deadline_;
  /// Of kSettling as a whole.
  SteadyTime last_deadline_ = SteadyTime::max();
  /// As far as it has come.
  std::string head_;
  std::string answer_;
  std::size_t sent_bytes_ = 0;
  std::size_t drained_bytes_ = 0;
};

}  // namespace bronze::observe
