#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/event_log.h"

namespace bronze::observe {

/// What a path answers with.
struct Page {
  int status = 200;
  std::string content_type;
  std::string body;
  /// Each with the end of its line.
  std::string more_headers = {};
};

/// Answers GET and HEAD of some paths. Anything else gets JSON with an `error`: 404 for an unknown
/// path, 405 for another method, 400, 408, 414 or 431 for a head that is malformed, slow or too
/// large. One request a connection; request bodies are never read.
///
/// Owned by the app. Serves on threads of its own (one accepts, two answer) and never makes the
/// ingest thread wait, except inside a page. Listens from construction to `stop`; if accepting
/// fails in between, it says so in the log and listens anew every second.
class HttpServer {
 public:
  /// By path. Called on the server's threads, two calls may overlap.
  using Pages = std::map<std::string, std::function<Page()>, std::less<>>;

  /// `log` outlives it. Throws std::runtime_error that names HTTP_HOST and HTTP_PORT when it cannot
  /// listen there. Port 0 = any free port.
  HttpServer(const std::string& host, std::uint16_t port, Pages pages, EventLog& log);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Drops connections that have not sent their request; takes milliseconds. May be repeated.
  void stop();

  [[nodiscard]] std::uint16_t port() const;

 private:
  class Listener;
  std::unique_ptr<Listener> listener_;
};

}  // namespace bronze::observe
