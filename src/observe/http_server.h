#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/event_log.h"
#include "observe/http_connection.h"
#include "observe/http_pages.h"

namespace bronze::observe {

/// Answers GET and HEAD of some paths. Anything else gets JSON with an `error`: 404 for an unknown
/// path, 405 for another method, 400, 408, 414 or 431 for a head that is malformed, slow or too
/// large. One request a connection; request bodies are never read.
///
/// Owned by the app. Serves on a thread of its own and never makes the ingest thread wait, except
/// inside a page. No client makes another one wait, except while its page is made: those that are
/// idle, slow or too many are dropped by `HttpLimits`. Listens from construction to `stop`; if
/// accepting fails in between, it says so in the log and listens anew every second.
class HttpServer {
 public:
  /// They are called on the server's thread.
  using Pages = observe::Pages;

  /// `log` outlives it. Throws std::runtime_error that names HTTP_HOST and HTTP_PORT when it cannot
  /// listen there. Port 0 = any free port.
  HttpServer(const std::string& host, std::uint16_t port, Pages pages, EventLog& log,
             HttpLimits limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Drops all connections; takes milliseconds. May be repeated.
  void stop();

  [[nodiscard]] std::uint16_t port() const;

 private:
  class Listener;
  std::unique_ptr<Listener> listener_;
};

}  // namespace bronze::observe
