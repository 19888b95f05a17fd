#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

#include "commands/styled_line.h"
#include "config/config.h"

namespace bronze::commands {

/// What standard output is.
struct Terminal {
  Colours colours = Colours::kOff;
  /// Lines can be drawn over.
  bool redraws = false;
};

/// No colours unless it is a terminal, and NO_COLOR is not set or empty.
[[nodiscard]] Terminal look_at_terminal(const config::EnvLookup& environment);

struct ScreenSize {
  std::size_t columns = 0;
  std::size_t rows = 0;
};

/// Of the terminal that standard output is; nullopt = it is none.
[[nodiscard]] std::optional<ScreenSize> screen_size();

/// Standard output as a place where something is shown over and over: on a terminal each time in
/// the place of the last one, on a screen of its own; elsewhere one block after the other. `end`
/// may be called from any thread, all else from one.
class Screen {
 public:
  explicit Screen(Terminal terminal);
  ~Screen() { end(); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  /// On a terminal cut to its size. Throws std::runtime_error when it cannot be written.
  void show(const std::vector<StyledLine>& lines);
  /// Gives the terminal back as it was, until the next `show`.
  void leave();
  /// The same for good: nothing is shown any more. Waits at most a second for what is being shown.
  void end();

 private:
  /// REQUIRES: mutex_ is held.
  void give_back();

  const Terminal terminal_;
  std::timed_mutex mutex_;
  // Guarded by mutex_.
  bool taken_ = false;
  bool ended_ = false;
  bool anything_shown_ = false;
};

}  // namespace bronze::commands
