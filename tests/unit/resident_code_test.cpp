#include "base/resident_code.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace bronze {
namespace {

/// Of this process, pages of files: the code and constants of the test and its libraries.
long resident_file_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string name; status >> name;) {
    long value = 0;
    if (name == "RssFile:" && status >> value) return value;
  }
  return -1;
}

TEST(ResidentCode, IsDroppedAndComesBackWhenItIsUsed) {
  const long before = resident_file_kb();
  ASSERT_GT(before, 0);

  drop_resident_code();

  EXPECT_LT(resident_file_kb(), before);
  EXPECT_EQ(std::to_string(12) + " works", "12 works");
}

TEST(ResidentCode, TheTrimEndsAtOnce) { const ResidentCodeTrim trim; }

}  // namespace
}  // namespace bronze
