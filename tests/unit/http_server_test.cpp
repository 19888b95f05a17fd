#include "observe/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "commands/healthcheck.h"
#include "fakes/log_capture.h"
#include "observe/health.h"

namespace bronze::observe {
namespace {

using Clock = std::chrono::steady_clock;

Health good_health() {
  return {.healthy = true, .reasons = {}, .body = "{\"status\":\"healthy\"}"};
}
Health bad_health() {
  return {.healthy = false, .reasons = {"x"}, .body = "{\"status\":\"unhealthy\"}"};
}

/// A plain TCP client on the loopback address.
class Client {
 public:
  /// `receive_bytes`: what the kernel takes for it; 0 = its default.
  explicit Client(std::uint16_t port, int receive_bytes = 0)
      : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_bytes > 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    }
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Client() { close(); }
  Client(Client&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), connected_(other.connected_) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool send(const std::string& text) const {
    std::size_t sent = 0;
    while (sent < text.size()) {
      const ssize_t count = ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) return false;
      sent += static_cast<std::size_t>(count);
    }
    return true;
  }

  void end_sending() const { ::shutdown(socket_, SHUT_WR); }

  /// Everything until the server closes, or "(timeout)" in the end when it does not.
  [[nodiscard]] std::string receive() const {
    std::string text;
    std::array<char, 4'096> chunk{};
    while (true) {
      const ssize_t count = ::recv(socket_, chunk.data(), chunk.size(), 0);
      if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return text + "(timeout)";
      if (count <= 0) return text;
      text.append(chunk.data(), static_cast<std::size_t>(count));
    }
  }

  /// Without reading anything.
  [[nodiscard]] bool is_closed_by_server(int wait_ms) const {
    pollfd poller{.fd = socket_, .events = POLLRDHUP, .revents = 0};
    return ::poll(&poller, 1, wait_ms) > 0;
  }

  [[nodiscard]] bool connected() const { return connected_; }

  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

 private:
  int socket_;
  bool connected_ = false;
};

EventLog& event_log() {
  static const SystemClock clock;
  static EventLog log(clock);
  return log;
}

HttpServer::Pages answering(const Health& health) {
  return {{"/health", [health] {
             return Page{.status = health.healthy ? 200 : 503,
                         .content_type = "application/json",
                         .body = health.body};
           }}};
}

std::string ask(const HttpServer& server, const std::string& request) {
  const Client client(server.port());
  if (!client.connected() || !client.send(request)) return "(not sent)";
  return client.receive();
}

int status_of(const std::string& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
}

std::string body_of(const std::string& answer) {
  const std::size_t end = answer.find("\r\n\r\n");
  return end == std::string::npos ? "" : answer.substr(end + 4);
}

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"; }

struct RequestCase {
  std::string name;
  std::string request;
  /// 0 = closed without an answer.
  int status;
};

class HttpServerAnswers : public testing::TestWithParam<RequestCase> {};

TEST_P(HttpServerAnswers, AndStaysUsable) {
  const HttpServer server("127.0.0.1", 0, answering(good_health()), event_log());
  const auto& [name, request, status] = GetParam();
  const std::string answer = ask(server, request);
  EXPECT_EQ(status_of(answer), status) << name << "\n" << answer.substr(0, 300);
  if (status >= 400) {
    EXPECT_TRUE(nlohmann::json::parse(body_of(answer)).contains("error")) << answer;
    EXPECT_NE(answer.find("Content-Type: application/json"), std::string::npos) << answer;
  }
  EXPECT_EQ(answer.find("Connection: close") != std::string::npos, status != 0) << answer;
  EXPECT_EQ(status_of(ask(server, get("/health"))), 200) << "after " << name;
}

const std::string k_many_ranges = [] {
  std::string ranges = "bytes=0-";
  while (ranges.size() < 7'000) ranges += ",0-";
  return ranges;
}();

INSTANTIATE_TEST_SUITE_P(
    Good, HttpServerAnswers,
    testing::Values(
        RequestCase{"get", get("/health"), 200},
        RequestCase{"http 1.0", "GET /health HTTP/1.0\r\n\r\n", 200},
        RequestCase{"query", get("/health?verbose=1"), 200},
        RequestCase{"absolute", get("http://x:8080/health?verbose=1"), 200},
        RequestCase{"absolute, in capitals", get("HTTP://X/health"), 200},
        RequestCase{"empty lines first", "\r\n\r\n\n" + get("/health"), 200},
        RequestCase{"line feeds only", "GET /health HTTP/1.1\nHost: x\n\n", 200},
        RequestCase{"pipelined: the first only", get("/health") + get("/nothing"), 200},
        RequestCase{"body with get", "GET /health HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 200},
        RequestCase{"range", "GET /health HTTP/1.1\r\nRange: bytes=0-3\r\n\r\n", 200},
        RequestCase{"thousands of ranges",
                    "GET /health HTTP/1.1\r\nRange: " + k_many_ranges + "\r\n\r\n", 200},
        RequestCase{"expect", "GET /health HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", 200},
        RequestCase{"compressed", "GET /health HTTP/1.1\r\nAccept-Encoding: gzip, br\r\n\r\n",
                    200}));

INSTANTIATE_TEST_SUITE_P(
    Bad, HttpServerAnswers,
    testing::Values(
        RequestCase{"unknown path", get("/nothing"), 404}, RequestCase{"root", get("/"), 404},
        RequestCase{"absolute root", get("http://health"), 404},
        RequestCase{"absolute, of another kind", get("ftp://x/health"), 404},
        RequestCase{"trailing slash", get("/health/"), 404},
        RequestCase{"traversal", get("/../../etc/passwd"), 404},
        RequestCase{"escaped NUL", get("/health%00"), 404},
        RequestCase{"post", "POST /health HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", 405},
        RequestCase{"put", "PUT /health HTTP/1.1\r\n\r\n", 405},
        RequestCase{"delete", "DELETE /health HTTP/1.1\r\n\r\n", 405},
        RequestCase{"options", "OPTIONS /health HTTP/1.1\r\n\r\n", 405},
        RequestCase{
            "large body is not read",
            "POST /health HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x'),
            405},
        RequestCase{"endless chunks",
                    "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nxxx", 404},
        RequestCase{"unknown method", "BREW /health HTTP/1.1\r\n\r\n", 400},
        RequestCase{"method in small letters", "get /health HTTP/1.1\r\n\r\n", 400},
        RequestCase{"endless empty lines", std::string(20'000, '\n'), 414},
        RequestCase{"no version", "GET /health\r\n\r\n", 400},
        RequestCase{"http 2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        RequestCase{"words", "Hello, is anybody there?\r\n\r\n", 400},
        RequestCase{"NUL in the line", std::string("GET /hea\0lth HTTP/1.1\r\n\r\n", 26), 400},
        RequestCase{"uri too large", get("/" + std::string(20'000, 'a')), 414},
        RequestCase{"header too large",
                    "GET /health HTTP/1.1\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n", 431},
        RequestCase{"endless header", "GET /health HTTP/1.1\r\nX: " + std::string(300'000, 'a'),
                    431},
        RequestCase{"tls hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),
                    0},
        RequestCase{"binary", std::string("\x00\xff\x00\xff", 4), 0}));

TEST(HttpServer, AnswersHealthWithItsBody) {
  const HttpServer server("127.0.0.1", 0, answering(good_health()), event_log());
  const std::string answer = ask(server, get("/health"));
  EXPECT_EQ(body_of(answer), good_health().body);
  EXPECT_NE(answer.find("Content-Type: application/json"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Cache-Control: no-store"), std::string::npos) << answer;
}

TEST(HttpServer, AnswersUnhealthyWith503) {
  const HttpServer server("127.0.0.1", 0, answering(bad_health()), event_log());
  const std::string answer = ask(server, get("/health"));
  EXPECT_EQ(status_of(answer), 503);
  EXPECT_EQ(body_of(answer), bad_health().body);
}

TEST(HttpServer, AnswersHeadWithoutBody) {
  const HttpServer server("127.0.0.1", 0, answering(bad_health()), event_log());
  const std::string answer = ask(server, "HEAD /health HTTP/1.1\r\n\r\n");
  EXPECT_EQ(status_of(answer), 503);
  EXPECT_EQ(body_of(answer), "");
  EXPECT_NE(answer.find("Content-Length: " + std::to_string(bad_health().body.size())),
            std::string::npos)
      << answer;
}

TEST(HttpServer, NamesTheAllowedMethods) {
  const HttpServer server("127.0.0.1", 0, answering(good_health()), event_log());
  EXPECT_NE(ask(server, "PATCH /health HTTP/1.1\r\n\r\n").find("Allow: GET, HEAD"),
            std::string::npos);
}

TEST(HttpServer, HidesWhatItsProviderThrows) {
  const HttpServer server("127.0.0.1", 0,
                          {{"/health", []() -> Page { throw std::runtime_error("inner detail"); }}},
                          event_log());
  const std::string answer = ask(server, get("/health"));
  EXPECT_EQ(status_of(answer), 500);
  EXPECT_EQ(answer.find("inner detail"), std::string::npos);
}

/// While it lives the process can open one more descriptor.
class OneMoreDescriptor {
 public:
  OneMoreDescriptor() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(0);
    ::close(next);
    rlimit low = before_;
    low.rlim_cur = static_cast<rlim_t>(next) + 1;
    ::setrlimit(RLIMIT_NOFILE, &low);
  }
  ~OneMoreDescriptor() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  OneMoreDescriptor(const OneMoreDescriptor&) = delete;
  OneMoreDescriptor& operator=(const OneMoreDescriptor&) = delete;

 private:
  rlimit before_{};
};

TEST(HttpServer, ThatItCannotTakeConnectionsIsToldOnceAMinute) {
  const fakes::LogCapture captured;
  const SystemClock clock;
  EventLog log(clock);
  const HttpServer server("127.0.0.1", 0, answering(good_health()), log);
  std::optional<OneMoreDescriptor> short_of_descriptors(std::in_place);
  const Client client(server.port());
  const auto until = Clock::now() + std::chrono::seconds{30};
  while (log.next_deadline() == SteadyTime::max() && Clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  short_of_descriptors.reset();
  client.send(get("/health"));
  EXPECT_EQ(status_of(client.receive()), 200) << "it goes on by itself";
  log.flush();
  const auto lines = captured.take("http_failed");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["operation"], "accept");
  EXPECT_EQ(lines[0]["reason"], "Too many open files");
  EXPECT_TRUE(lines[1].contains("suppressed"));
}

TEST(HttpServer, NamesTheVariablesWhenItCannotListen) {
  const HttpServer first("127.0.0.1", 0, answering(good_health()), event_log());
  for (const auto& [host, port] :
       {std::pair<std::string, std::uint16_t>{"127.0.0.1", first.port()}, {"203.0.113.1", 8080}}) {
    try {
      const HttpServer second(host, port, answering(good_health()), event_log());
      ADD_FAILURE() << "listens on " << host;
    } catch (const std::runtime_error& e) {
      const std::string message = e.what();
      EXPECT_NE(message.find("HTTP_HOST=" + host), std::string::npos) << message;
      EXPECT_NE(message.find("HTTP_PORT=" + std::to_string(port)), std::string::npos) << message;
    }
  }
}

TEST(HttpServer, SurvivesClientsThatGoAway) {
  const HttpServer server("127.0.0.1", 0, answering(good_health()), event_log());
  for (int i = 0; i < 20; ++i) {
    Client gone(server.port());
    gone.send(get("/health"));
    gone.close();
  }
  EXPECT_EQ(status_of(ask(server, get("/health"))), 200);
}

TEST(HttpServer, AnswersAHalfOpenClient) {
  const HttpServer server("127.0.0.1", 0, answering(good_health()), event_log());
  const Client client(server.port());
  client.send(get("/health"));
  client.end_sending();
  EXPECT_EQ(status_of(client.receive()), 200);
}

TEST(HttpServer, AnswersAProbeInTimeInSpiteOfHundredsOfIdleAndSlowConnections) {
  const HttpServer server("127.0.0.1", 0, answering(good_health()), event_log());
  std::vector<Client> waiting;
  for (int i = 0; i < 600; ++i) {
    waiting.emplace_back(server.port());
    if (i % 2 == 0) waiting.back().send("GET /health HTTP/1.1\r\nX-Slow: ");
  }
  const auto begin = Clock::now();
  EXPECT_EQ(status_of(ask(server, get("/health"))), 200);
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds{1}) << "how long Kubernetes waits";
}

TEST(HttpServer, ClosesTheOldestConnectionsBeyondItsLimit) {
  const HttpServer server("127.0.0.1", 0, answering(good_health()), event_log(),
                          {.connections = 10});
  std::vector<Client> idle;
  for (int i = 0; i < 50; ++i) idle.emplace_back(server.port());
  EXPECT_EQ(status_of(ask(server, get("/health"))), 200);
  for (std::size_t i = 0; i < 40; ++i) EXPECT_TRUE(idle[i].is_closed_by_server(0)) << i;
  for (std::size_t i = 41; i < 50; ++i) EXPECT_FALSE(idle[i].is_closed_by_server(0)) << i;
}

TEST(HttpServer, TellsASlowClientAndClosesAnIdleOne) {
  const HttpServer server("127.0.0.1", 0, answering(good_health()), event_log(),
                          {.request = std::chrono::seconds{1}});
  const Client idle(server.port());
  const Client slow(server.port());
  slow.send("GET /health HTTP/1.1\r\nX-Slow: ");
  EXPECT_EQ(status_of(slow.receive()), 408);
  EXPECT_EQ(idle.receive(), "");
}

/// More than the kernel holds for a client that does not read.
HttpServer::Pages large_page() {
  return {{"/large",
           [] { return Page{.content_type = "text/plain", .body = std::string(6'000'000, 'x')}; }}};
}
constexpr int k_small = 4'096;

TEST(HttpServer, GivesASlowReaderTheWholeAnswerThoughOthersWait) {
  const HttpServer server("127.0.0.1", 0, large_page(), event_log());
  const Client slow(server.port(), k_small);
  slow.send(get("/large"));
  std::vector<Client> idle;
  for (int i = 0; i < 300; ++i) idle.emplace_back(server.port());
  EXPECT_EQ(status_of(ask(server, get("/nothing"))), 404);
  EXPECT_EQ(body_of(slow.receive()).size(), 6'000'000U);
}

TEST(HttpServer, GivesUpTheOldestOfTooManyUnfinishedAnswers) {
  const HttpServer server("127.0.0.1", 0, large_page(), event_log(), {.unfinished_answers = 2});
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server.port(), k_small);
    clients.back().send(get("/large"));
  }
  EXPECT_TRUE(clients[0].is_closed_by_server(10'000));
  EXPECT_EQ(body_of(clients[1].receive()).size(), 6'000'000U);
  EXPECT_EQ(body_of(clients[2].receive()).size(), 6'000'000U);
}

TEST(HttpServer, GivesUpAClientThatDoesNotTakeItsAnswer) {
  const HttpServer server("127.0.0.1", 0, large_page(), event_log(),
                          {.answer = std::chrono::milliseconds{50}});
  const Client deaf(server.port(), k_small);
  deaf.send(get("/large"));
  EXPECT_TRUE(deaf.is_closed_by_server(10'000));
}

/// What the kernel takes of an answer at once, but not the client.
HttpServer::Pages page() {
  return {
      {"/", [] { return Page{.content_type = "text/plain", .body = std::string(50'000, 'x')}; }}};
}

TEST(HttpServer, LeavesNothingToTheKernelForAClientThatDoesNotTakeIt) {
  const HttpServer server("127.0.0.1", 0, page(), event_log(),
                          {.answer = std::chrono::milliseconds{50}});
  const Client deaf(server.port(), k_small);
  deaf.send(get("/"));
  EXPECT_TRUE(deaf.is_closed_by_server(10'000)) << "it would hear later of an end in good order";
  EXPECT_LT(body_of(deaf.receive()).size(), 50'000U);
}

TEST(HttpServer, AClientThatSendsNoMoreGetsTheWholeAnswer) {
  const HttpServer server("127.0.0.1", 0, page(), event_log());
  const Client client(server.port(), k_small);
  client.send(get("/"));
  client.end_sending();
  EXPECT_EQ(body_of(client.receive()).size(), 50'000U);
}

TEST(HttpServer, StopsAtOnceWithConnectionsOpen) {
  HttpServer server("127.0.0.1", 0, answering(good_health()), event_log());
  std::vector<Client> open;
  for (int i = 0; i < 80; ++i) {
    open.emplace_back(server.port());
    if (i % 2 == 0) open.back().send("GET /health HTTP/1.1\r\n");
  }
  const auto begin = Clock::now();
  server.stop();
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds{1});
  EXPECT_EQ(ask(server, get("/health")), "(not sent)");
  server.stop();
}

TEST(HttpServer, StopsWhenDestroyedRightAway) {
  for (int i = 0; i < 50; ++i)
    const HttpServer server("127.0.0.1", 0, answering(good_health()), event_log());
}

TEST(Healthcheck, SucceedsOnlyWith200AndPrintsTheBody) {
  const HttpServer good("127.0.0.1", 0, answering(good_health()), event_log());
  const HttpServer bad("127.0.0.1", 0, answering(bad_health()), event_log());
  std::ostringstream out;
  EXPECT_EQ(commands::healthcheck({.host = "0.0.0.0", .port = good.port()}, out), 0);
  EXPECT_EQ(out.str(), good_health().body + "\n");
  out.str("");
  EXPECT_EQ(commands::healthcheck({.host = "127.0.0.1", .port = bad.port()}, out), 1);
  EXPECT_EQ(out.str(), bad_health().body + "\n");
}

TEST(Healthcheck, FailsWithoutAServer) {
  std::uint16_t port = 0;
  {
    const HttpServer gone("127.0.0.1", 0, answering(good_health()), event_log());
    port = gone.port();
  }
  std::ostringstream out;
  EXPECT_EQ(commands::healthcheck({.host = "::", .port = port}, out), 1);
  EXPECT_NE(out.str().find("no answer from 127.0.0.1 port " + std::to_string(port)),
            std::string::npos)
      << out.str();
  EXPECT_NE(out.str().find("Is bronze running"), std::string::npos) << out.str();
}

}  // namespace
}  // namespace bronze::observe
