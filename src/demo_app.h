#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <iosfwd>

#include "base/clock.h"
#include "config/config.h"

namespace bronze {

struct DemoOptions {
  std::chrono::seconds duration{30};
  /// Events a second over all topics.
  std::uint64_t rate = 5'000;
};

/// `bronze demo`: the service at work on an in-process Kafka and a local folder, shown live.
///
///   feed and show -> stop feeding -> until all is written -> stop the service -> read the tables
///
/// Owned by main. The service is the App as it is, on a thread of its own.
class DemoApp {
 public:
  /// `clock` outlives the demo. `environment` is read for HTTP_PORT and TERM only.
  DemoApp(const DemoOptions& options, config::EnvLookup environment, const Clock& clock);

  /// Runs to the end on the calling thread; `out` is standard output. Returns the exit code: 0 when
  /// every table has as many rows as were produced, 2 when HTTP_PORT is malformed, otherwise 1.
  /// Throws std::runtime_error when it cannot begin.
  [[nodiscard]] int run(std::ostream& out);
  /// From any thread: ends the feeding early; what was produced is still written.
  void request_stop() { stop_requested_ = true; }

 private:
  const DemoOptions options_;
  const config::EnvLookup environment_;
  const Clock& clock_;
  std::atomic<bool> stop_requested_{false};
};

}  // namespace bronze
