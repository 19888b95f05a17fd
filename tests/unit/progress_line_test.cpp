#include "commands/progress_line.h"

#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <string>

#include "fakes/fake_clock.h"

namespace bronze::commands {
namespace {

using namespace std::chrono_literals;

class ProgressLineTest : public ::testing::Test {
 protected:
  fakes::FakeClock clock_;
  std::ostringstream out_;
};

TEST_F(ProgressLineTest, ATerminalHasOneLineThatIsOverwrittenAndTakenAway) {
  ProgressLine line(out_, ProgressLine::Where::kTerminal, clock_);
  line.tell("too early");
  clock_.advance(200ms);
  line.tell("half of it");
  clock_.advance(200ms);
  line.tell("all");
  line.clear();
  EXPECT_EQ(out_.str(), "\rhalf of it\rall       \r   \r");
}

TEST_F(ProgressLineTest, AFileGetsALineEachTenSeconds) {
  ProgressLine line(out_, ProgressLine::Where::kFile, clock_);
  for (int second = 1; second <= 25; ++second) {
    clock_.advance(1s);
    line.tell("after " + std::to_string(second));
  }
  line.clear();
  EXPECT_EQ(out_.str(), "after 10\nafter 20\n");
}

}  // namespace
}  // namespace bronze::commands
