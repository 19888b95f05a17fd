#include "base/token.h"

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>
#include <vector>

namespace bronze {
namespace {

TEST(Token, IsAUuidOfVersion4) {
  const std::regex uuid("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  for (int i = 0; i < 200; ++i) {
    const std::string token = new_token();
    EXPECT_TRUE(std::regex_match(token, uuid)) << token;
  }
}

TEST(Token, IsNeverTheSame) {
  std::set<std::string> tokens;
  for (int i = 0; i < 1000; ++i) tokens.insert(new_token());
  EXPECT_EQ(tokens.size(), 1000U);
}

TEST(Token, EveryDigitThatIsNotFixedVaries) {
  std::vector<std::set<char>> seen(36);
  for (int i = 0; i < 1000; ++i) {
    const std::string token = new_token();
    for (std::size_t at = 0; at < token.size(); ++at) seen[at].insert(token[at]);
  }
  for (std::size_t at = 0; at < seen.size(); ++at) {
    const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
    const std::size_t expected = dash || at == 14 ? 1 : at == 19 ? 4 : 16;
    EXPECT_EQ(seen[at].size(), expected) << "digit " << at;
  }
}

}  // namespace
}  // namespace bronze
