#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <variant>

#include "config/config.h"

namespace bronze::commands {

/// Where an HTTP server is asked.
struct HttpPlace {
  std::string host;
  std::uint16_t port = 80;
  /// Before each path, without a slash at its end.
  std::string prefix = {};

  /// `http://host:port/prefix`
  [[nodiscard]] std::string url() const;
};

/// The service of this machine. One that listens on all addresses is asked at the loopback one.
[[nodiscard]] HttpPlace place_of(const config::HttpConfig& http);

/// `http://host[:port][/prefix]`, as --url takes it; otherwise what is wrong with it.
[[nodiscard]] std::variant<HttpPlace, config::ConfigError> place_at(const std::string& url);

struct HttpAnswer {
  int status = 0;
  std::string body;
};

struct HttpPatience {
  std::chrono::milliseconds connect;
  /// From then on.
  std::chrono::milliseconds answer;
};

/// Says why there is no answer.
class NoHttpAnswer : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Asks for one path. Takes answers of up to 16 MiB. Throws NoHttpAnswer.
[[nodiscard]] HttpAnswer http_get(const HttpPlace& place, const std::string& path,
                                  HttpPatience patience);

}  // namespace bronze::commands
