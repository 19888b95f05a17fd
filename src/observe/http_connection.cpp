#include "observe/http_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace bronze::observe {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t k_head_bytes_max = 8'192;
constexpr milliseconds k_request_max{5'000};
constexpr milliseconds k_request_max_under_load{25};
constexpr milliseconds k_drain_max{200};
constexpr std::size_t k_drain_bytes_max = std::size_t{256} * 1024;
/// How soon a waiting connection notices load and stop.
constexpr milliseconds k_slice{10};

/// Where the blank line that ends a head begins; lone line feeds pass, as most servers allow.
std::size_t end_of_head(std::string_view head) {
  return std::min(head.find("\r\n\r\n"), head.find("\n\n"));
}

}  // namespace

HttpConnection::Head HttpConnection::read_head() {
  std::string head;
  while (end_of_head(head) == std::string::npos) {
    if (head.size() >= k_head_bytes_max) {
      return head.find('\n') == std::string::npos ? Head::kUriTooLarge : Head::kHeadersTooLarge;
    }
    const bool drips = !head.empty() && is_out_of_time();
    if (drips || !wait_for(Readiness::kReadable)) {
      const bool answer = !head.empty() && !load_.stopping;
      return answer ? Head::kTooSlow : Head::kNone;
    }
    std::array<char, 2'048> chunk{};
    const std::size_t room = std::min(chunk.size(), k_head_bytes_max - head.size());
    const ssize_t count = ::recv(socket_, chunk.data(), room, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) return Head::kNone;
    head.append(chunk.data(), static_cast<std::size_t>(count));
    if (head.front() < 'A' || head.front() > 'Z') return Head::kNone;
  }
  line_ = head.substr(0, head.find('\n'));
  if (line_.ends_with('\r')) line_.pop_back();
  return Head::kComplete;
}

void HttpConnection::drain() {
  ::shutdown(socket_, SHUT_WR);
  const auto deadline = std::chrono::steady_clock::now() + k_drain_max;
  std::array<char, 4'096> chunk{};
  std::size_t drained = 0;
  while (drained < k_drain_bytes_max && std::chrono::steady_clock::now() < deadline &&
         !load_.stopping) {
    pollfd poller{.fd = socket_, .events = POLLIN, .revents = 0};
    if (::poll(&poller, 1, static_cast<int>(k_slice.count())) <= 0) {
      if (load_.waiting > 0) return;
      continue;
    }
    const ssize_t count = ::recv(socket_, chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (count <= 0) return;
    drained += static_cast<std::size_t>(count);
  }
}

void HttpConnection::write(std::string_view data) {
  while (!data.empty()) {
    const ssize_t count = ::send(socket_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) {
      data.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EAGAIN && errno != EINTR) {
      return;
    } else if (!wait_for(Readiness::kWritable)) {
      return;
    }
  }
}

bool HttpConnection::wait_for(Readiness wanted) const {
  pollfd poller{.fd = socket_, .events = 0, .revents = 0};
  poller.events = wanted == Readiness::kReadable ? POLLIN : POLLOUT;
  int wait_ms = 0;  // the first look is free: what has arrived is taken however busy we are
  while (true) {
    const int ready = ::poll(&poller, 1, wait_ms);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
    if (is_out_of_time()) return false;
    wait_ms = static_cast<int>(k_slice.count());
  }
}

bool HttpConnection::is_out_of_time() const {
  const auto age = std::chrono::steady_clock::now() - started_;
  return load_.stopping || age > (load_.waiting > 0 ? k_request_max_under_load : k_request_max);
}

}  // namespace bronze::observe
