#pragma once

#include <iosfwd>
#include <string>

#include "base/clock.h"

namespace bronze::commands {

/// Shows how far things are: on a terminal one line that is overwritten, elsewhere a line now and
/// then. Used by one thread.
class VerifyProgress {
 public:
  enum class Where { kTerminal, kFile };

  VerifyProgress(std::ostream& out, Where where, const Clock& clock);

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
