#include "observe/http_connection.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace bronze::observe {
namespace {

constexpr std::size_t k_head_bytes_max = 8'192;
/// A client that sends more than this after its request is cut off.
constexpr std::size_t k_drain_bytes_max = std::size_t{256} * 1024;
/// Nothing tells that the last byte is acknowledged.
constexpr std::chrono::milliseconds k_settle_again{20};

bool is_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); }

/// Empty lines before a request are ignored (RFC 9112 2.2).
std::string_view after_empty_lines(std::string_view head) {
  head.remove_prefix(std::min(head.find_first_not_of("\r\n"), head.size()));
  return head;
}

/// Where the blank line that ends a head begins; lone line feeds pass, as most servers allow.
std::size_t end_of_head(std::string_view head) {
  return std::min(head.find("\r\n\r\n"), head.find("\n\n"));
}

std::string_view first_line(std::string_view head) {
  std::string_view line = head.substr(0, head.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

bool is_for_later() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

HttpConnection::HttpConnection(Socket socket, const HttpLimits& limits, const Respond& respond,
                               SteadyTime now)
    : socket_(std::move(socket)),
      limits_(limits),
      respond_(respond),
      deadline_(now + limits.request) {}

void HttpConnection::proceed(SteadyTime now) {
  if (phase_ == Phase::kReading) read(now);
  if (phase_ == Phase::kAnswering) write();
  if (phase_ == Phase::kDraining) drain(now);
}

void HttpConnection::expire(SteadyTime now) {
  if (phase_ == Phase::kReading && !head_.empty()) {
    answer(Head::kTooSlow, now);
    proceed(now);
  } else if (phase_ == Phase::kSettling) {
    settle(now);
  } else {
    reset();
  }
}

void HttpConnection::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  close();
}

pollfd HttpConnection::polled() const {
  pollfd polled{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  if (phase_ == Phase::kAnswering) polled.events = POLLOUT;
  if (phase_ == Phase::kSettling) polled.fd = -1;
  return polled;
}

void HttpConnection::read(SteadyTime now) {
  while (phase_ == Phase::kReading) {
    std::array<char, 2'048> chunk{};
    const std::size_t room = std::min(chunk.size(), k_head_bytes_max - head_.size());
    const ssize_t count = ::recv(socket_.get(), chunk.data(), room, 0);
    if (count < 0 && is_for_later()) return;
    if (count <= 0) return close();
    head_.append(chunk.data(), static_cast<std::size_t>(count));
    const std::string_view head = after_empty_lines(head_);
    // Not HTTP at all, such as a TLS hello: there is nothing to answer.
    if (!head.empty() && !is_letter(head.front())) return close();
    if (end_of_head(head) != std::string_view::npos) {
      answer(Head::kComplete, now);
    } else if (head_.size() >= k_head_bytes_max) {
      const bool within_line = head.find('\n') == std::string_view::npos;
      answer(within_line ? Head::kUriTooLarge : Head::kHeadersTooLarge, now);
    }
  }
}

void HttpConnection::answer(Head head, SteadyTime now) {
  answer_ = respond_(head, first_line(after_empty_lines(head_)));
  head_ = {};
  phase_ = Phase::kAnswering;
  deadline_ = now + limits_.answer;
}

void HttpConnection::write() {
  while (sent_bytes_ < answer_.size()) {
    const ssize_t count = ::send(socket_.get(), answer_.data() + sent_bytes_,
                                 answer_.size() - sent_bytes_, MSG_NOSIGNAL);
    if (count < 0 && is_for_later()) return;
    if (count < 0) return close();
    sent_bytes_ += static_cast<std::size_t>(count);
  }
  answer_ = {};
  ::shutdown(socket_.get(), SHUT_WR);
  phase_ = Phase::kDraining;
}

void HttpConnection::drain(SteadyTime now) {
  while (drained_bytes_ < k_drain_bytes_max) {
    // TCP throws away what MSG_TRUNC takes.
    const ssize_t count =
        ::recv(socket_.get(), nullptr, k_drain_bytes_max - drained_bytes_, MSG_TRUNC);
    if (count < 0 && is_for_later()) return;
    if (count < 0) return close();
    if (count == 0) {
      last_deadline_ = deadline_;
      return settle(now);
    }
    drained_bytes_ += static_cast<std::size_t>(count);
  }
  reset();
}

void HttpConnection::settle(SteadyTime now) {
  int unacknowledged = 0;
  ::ioctl(socket_.get(), SIOCOUTQ, &unacknowledged);
  if (unacknowledged == 0) return close();
  if (now >= last_deadline_) return reset();
  phase_ = Phase::kSettling;
  deadline_ = now + k_settle_again;
}

void HttpConnection::close() {
  socket_ = Socket();
  phase_ = Phase::kClosed;
}

}  // namespace bronze::observe
