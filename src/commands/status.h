#pragma once

#include <chrono>
#include <iosfwd>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "commands/http_get.h"
#include "commands/output_format.h"
#include "commands/screen.h"
#include "commands/styled_line.h"

namespace bronze::commands {

struct StatusOptions {
  OutputFormat format = OutputFormat::kText;
  /// Shown alone, with their partitions.
  std::vector<std::string> topics = {};
  /// Where the service is; empty = where HTTP_HOST and HTTP_PORT say.
  std::string url = {};
  /// From one look to the next; nullopt = one look only.
  std::optional<std::chrono::milliseconds> watch = {};
};

/// What a service answered to /status.
struct StatusAnswer {
  /// As it came.
  std::string body;
  nlohmann::json document;
};

/// `bronze status`: asks a service for /status and shows it on `out`, or says on `err` why there is
/// no answer. Returns the exit code: 0 healthy, 1 not, 3 could not tell. Waits at most 7 seconds,
/// and as long as the system looks for the address of a name.
[[nodiscard]] int status(const HttpPlace& place, const StatusOptions& options,
                         const Terminal& terminal, std::ostream& out, std::ostream& err);

/// `bronze status --watch`: looks again and again, whether there is an answer or not. On the stack
/// of the command.
class StatusWatch {
 public:
  /// Blocks SIGWINCH and SIGTSTP in this thread and all made after.
  /// REQUIRES: options.watch. `options`, `out` and `err` outlive it.
  StatusWatch(HttpPlace place, const StatusOptions& options, Terminal terminal, std::ostream& out,
              std::ostream& err);

  /// Until the process ends. Throws std::runtime_error when nothing can be shown any more.
  [[noreturn]] void run();
  /// Any thread: the terminal is as it was before, and stays so.
  void end() { screen_.end(); }

 private:
  void look();
  void show();
  [[nodiscard]] std::vector<StyledLine> lines() const;
  void wait_until(SteadyTime next_look);

  const HttpPlace place_;
  const StatusOptions& options_;
  const Terminal terminal_;
  std::ostream& out_;
  std::ostream& err_;
  Screen screen_;
  std::optional<StatusAnswer> now_;
  std::optional<StatusAnswer> before_;
  /// Why the last look had no answer; empty = it had one.
  std::string trouble_;
  SteadyTime answered_at_;
};

}  // namespace bronze::commands
