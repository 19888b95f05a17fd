#pragma once

#include <cstddef>
#include <iosfwd>
#include <string>

#include "base/clock.h"

namespace bronze::commands {

/// Shows how far a command is: on a terminal one line that is overwritten, elsewhere a line now and
/// then. Used by one thread.
class ProgressLine {
 public:
  enum class Where { kTerminal, kFile };

  /// Both outlive it.
  ProgressLine(std::ostream& out, Where where, const Clock& clock);
  /// On `err`, which is the process's standard error.
  [[nodiscard]] static ProgressLine on_standard_error(std::ostream& err, const Clock& clock);

  void tell(const std::string& what);
  /// Takes the line away; other output may follow.
  void clear();

 private:
  std::ostream& out_;
  const Where where_;
  const Clock& clock_;
  SteadyTime told_at_;
  std::size_t width_ = 0;
};

}  // namespace bronze::commands
