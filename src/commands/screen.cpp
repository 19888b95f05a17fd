#include "commands/screen.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string_view>

namespace bronze::commands {
namespace {

// A screen of its own, without a cursor, and back.
constexpr std::string_view k_take = "\x1b[?1049h\x1b[?25l";
constexpr std::string_view k_give_back = "\x1b[?25h\x1b[?1049l";
constexpr std::string_view k_to_the_top = "\x1b[H";
constexpr std::string_view k_clear_to_the_right = "\x1b[K";
constexpr std::string_view k_clear_below = "\x1b[J";
constexpr ScreenSize k_usual_size{.columns = 80, .rows = 24};

bool write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// On a terminal of this size, over what was there. After a last column nothing is cleared and no
/// line is ended that need not be: the one would take the last character, the other would scroll.
std::string frame_of(const std::vector<StyledLine>& lines, ScreenSize size, Colours colours) {
  const bool fits = lines.size() <= size.rows;
  const std::size_t shown = fits ? lines.size() : size.rows - 1;
  std::string text(k_to_the_top);
  const auto draw = [&](const StyledLine& line) {
    const StyledLine visible = cut(line, size.columns);
    text += written(visible, colours);
    if (columns_of(visible) < size.columns) text += k_clear_to_the_right;
  };
  for (std::size_t i = 0; i < shown; ++i) {
    if (i > 0) text += "\r\n";
    draw(lines[i]);
  }
  if (lines.size() < size.rows) text += std::string("\r\n") + std::string(k_clear_below);
  if (!fits) {
    if (shown > 0) text += "\r\n";
    draw({{fmt::format("… {} more lines", lines.size() - shown), Style::kSoft}});
  }
  return text;
}

}  // namespace

Terminal look_at_terminal(const config::EnvLookup& environment) {
  const bool is_terminal =
      isatty(STDOUT_FILENO) != 0 && environment("TERM").value_or("dumb") != "dumb";
  const bool wanted = environment("NO_COLOR").value_or("").empty();
  return {.colours = is_terminal && wanted ? Colours::kOn : Colours::kOff, .redraws = is_terminal};
}

std::optional<ScreenSize> screen_size() {
  winsize size{};
  if (isatty(STDOUT_FILENO) == 0) return std::nullopt;
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
  if (!known || size.ws_col == 0 || size.ws_row == 0) return k_usual_size;
  return ScreenSize{.columns = size.ws_col, .rows = size.ws_row};
}

Screen::Screen(Terminal terminal) : terminal_(terminal) {}

void Screen::show(const std::vector<StyledLine>& lines) {
  std::string text;
  if (terminal_.redraws) {
    text = frame_of(lines, screen_size().value_or(k_usual_size), terminal_.colours);
  } else {
    for (const StyledLine& line : lines) text += written(line, terminal_.colours) + "\n";
  }
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  if (terminal_.redraws && !taken_) text = std::string(k_take) + text;
  if (!terminal_.redraws && anything_shown_) text = "\n" + text;
  taken_ = terminal_.redraws;
  anything_shown_ = true;
  if (!write_all(text)) throw std::runtime_error("cannot write to standard output");
}

void Screen::leave() {
  const std::lock_guard lock(mutex_);
  give_back();
}

void Screen::end() {
  const std::unique_lock lock(mutex_, std::chrono::seconds(1));
  if (!lock) return;
  ended_ = true;
  give_back();
}

void Screen::give_back() {
  if (taken_) (void)write_all(k_give_back);
  taken_ = false;
}

}  // namespace bronze::commands
