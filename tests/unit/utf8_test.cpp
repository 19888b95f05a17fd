#include "base/utf8.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace bronze {
namespace {

using namespace std::string_view_literals;

TEST(Utf8, ReplacesNothingInValidText) {
  for (const auto text : {""sv, "plain"sv, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\x95"sv, "a\0b"sv}) {
    EXPECT_EQ(with_replacements(text), text);
    EXPECT_EQ(first_invalid_byte(text), text.size());
  }
}

TEST(Utf8, ReplacesEachPartThatCannotBeASequence) {
  constexpr auto k_r = "\xEF\xBF\xBD"sv;
  const auto times = [&](int count, std::string_view after = "") {
    std::string text;
    for (int i = 0; i < count; ++i) text += k_r;
    return text.append(after);
  };
  EXPECT_EQ(with_replacements("\xC3("), times(1, "("));
  EXPECT_EQ(with_replacements("\xFF\xFE"), times(2));
  EXPECT_EQ(with_replacements("\xE2\x82"), times(1)) << "a sequence that ends too early is one";
  EXPECT_EQ(with_replacements("\xE2\x82("), times(1, "("));
  EXPECT_EQ(with_replacements("\xF0\x9F\x9A("), times(1, "("));
  EXPECT_EQ(with_replacements("\xED\xA0\x80"), times(3)) << "half a surrogate pair";
  EXPECT_EQ(with_replacements("\xC0\x80"), times(2)) << "overlong";
  EXPECT_EQ(with_replacements("\xF4\x90\x80\x80"), times(4)) << "beyond U+10FFFF";
  EXPECT_EQ(with_replacements("a\x80\xC3\xA9"), "a" + times(1, "\xC3\xA9"));
}

}  // namespace
}  // namespace bronze
