#include "commands/progress_line.h"

#include <unistd.h>

#include <chrono>
#include <ostream>

namespace bronze::commands {
namespace {

constexpr std::chrono::milliseconds k_terminal_interval{200};
constexpr std::chrono::seconds k_file_interval{10};
constexpr std::size_t k_columns = 100;

}  // namespace

ProgressLine::ProgressLine(std::ostream& out, Where where, const Clock& clock)
    : out_(out), where_(where), clock_(clock), told_at_(clock.now()) {}

ProgressLine ProgressLine::on_standard_error(std::ostream& err, const Clock& clock) {
  return {err, isatty(STDERR_FILENO) == 1 ? Where::kTerminal : Where::kFile, clock};
}

void ProgressLine::tell(const std::string& what) {
  const SteadyTime now = clock_.now();
  const Duration interval =
      where_ == Where::kTerminal ? Duration(k_terminal_interval) : Duration(k_file_interval);
  if (now - told_at_ < interval) return;
  told_at_ = now;
  if (where_ == Where::kFile) {
    out_ << what << std::endl;
    return;
  }
  std::string line = what.substr(0, k_columns);
  const std::size_t width = line.size();
  if (width < width_) line.resize(width_, ' ');
  width_ = width;
  out_ << '\r' << line << std::flush;
}

void ProgressLine::clear() {
  if (width_ == 0) return;
  out_ << '\r' << std::string(width_, ' ') << '\r' << std::flush;
  width_ = 0;
}

}  // namespace bronze::commands
