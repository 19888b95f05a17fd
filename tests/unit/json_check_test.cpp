#include "decode/json_check.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "decode/json_grammar.h"

namespace bronze::decode {
namespace {

using namespace std::string_view_literals;

std::string nested(std::size_t depth, std::string_view inside = "") {
  return std::string(depth, '[') + std::string(inside) + std::string(depth, ']');
}

class JsonCheckTest : public testing::Test {
 protected:
  /// Type and message; empty = accepted.
  std::string judge(std::string_view value) {
    const auto error = check_.error_in(value);
    return error ? error->type + ": " + error->message : "";
  }
  void expect_fault(std::string_view value, std::size_t position, std::string_view what) {
    EXPECT_EQ(judge(value), "JSON_PARSE_ERROR: the value is not valid JSON at byte " +
                                std::to_string(position) + ": " + std::string(what))
        << value.substr(0, 60);
  }

  JsonCheck check_;
};

TEST_F(JsonCheckTest, AcceptsEveryKindOfValue) {
  for (const auto value :
       {"{}"sv, "[]"sv, "null"sv, "true"sv, "false"sv, "0"sv, "-0"sv, "1.5e-7"sv, "\"\""sv,
        " \t\r\n{\"a\" : [1, {\"b\":null}, \"x\"]} \n"sv, R"({"a":1,"a":2})"sv,
        R"("\u0000\"\\\/\b\f\n\r\t\ud83d\ude95")"sv, "\"\xF0\x9F\x9A\x95\""sv, "\"\x7F\""sv}) {
    EXPECT_EQ(judge(value), "") << value;
    EXPECT_FALSE(first_json_fault(value)) << value;
  }
}

TEST_F(JsonCheckTest, NumbersMayHaveAnySize) {
  for (const auto value :
       {"1e999"sv, "-1E+999"sv, "1e-999"sv, "123456789012345678901234567890"sv,
        "18446744073709551616"sv, "-9223372036854775809"sv, "0.00000000000000000000000000001"sv}) {
    EXPECT_EQ(judge(value), "") << value;
    EXPECT_EQ(judge("{\"a\":[" + std::string(value) + "]}"), "") << value;
  }
}

TEST_F(JsonCheckTest, NamesPlaceAndRule) {
  expect_fault("", 0, "the text ends too early");
  expect_fault(" \n", 2, "the text ends too early");
  expect_fault(R"({"a":1)", 6, "the text ends too early");
  expect_fault(R"({"a":)", 5, "the text ends too early");
  expect_fault(R"({"a)", 1, "a string without end");
  expect_fault(R"({"a":1} x)", 8, "more text after the value");
  expect_fault(R"({"a":1}{"b":2})", 7, "more text after the value");
  expect_fault("[1,]", 3, "expected a value");
  expect_fault("[1 2]", 3, "expected , or ]");
  expect_fault(R"({"a":1,})", 7, "expected a name in quotes");
  expect_fault(R"({"a":1 "b":2})", 7, "expected , or }");
  expect_fault(R"({"a" 1})", 5, "expected :");
  expect_fault("{a:1}", 1, "expected a name in quotes");
  expect_fault("[1}", 2, "expected , or ]");
  expect_fault("]", 0, "expected a value");
  expect_fault("nul", 0, "expected a value");
  expect_fault("NaN", 0, "expected a value");
  expect_fault("'a'", 0, "expected a value");
  expect_fault("01", 1, "a number with a leading zero");
  expect_fault("-", 1, "expected a digit");
  expect_fault("1.", 2, "expected a digit");
  expect_fault("1e", 2, "expected a digit");
  expect_fault("+1", 0, "expected a value");
  expect_fault(".5", 0, "expected a value");
  expect_fault("\"a\nb\"", 2, "a control character in a string");
  expect_fault("{\"a\":\"\0\"}"sv, 6, "a control character in a string");
  expect_fault("{}\0"sv, 2, "more text after the value");
  expect_fault("\0"sv, 0, "expected a value");
  expect_fault(R"("\x")", 1, "an escape that there is not");
  expect_fault(R"("\u12g4")", 1, "an escape that there is not");
  expect_fault("\xEF\xBB\xBF{}", 0, "a byte order mark");
}

TEST_F(JsonCheckTest, HalfASurrogatePairIsNoText) {
  for (const auto value : {R"("\ud800")"sv, R"("\ud800x")"sv, R"("\ud800\n")"sv, R"("\udc00")"sv,
                           R"("\ud800\ud800")"sv, R"("\ud800\u0041")"sv}) {
    expect_fault(value, 1, "half a surrogate pair");
  }
}

TEST_F(JsonCheckTest, DepthHasALimit) {
  EXPECT_EQ(judge(nested(k_json_depth_max)), "");
  EXPECT_EQ(judge(nested(k_json_depth_max, "1")), "");
  expect_fault(nested(k_json_depth_max + 1), k_json_depth_max, "nested deeper than 1024");
  expect_fault(nested(100'000), k_json_depth_max, "nested deeper than 1024");
  expect_fault(std::string(100'000, '['), k_json_depth_max, "nested deeper than 1024");
  std::string objects;
  for (std::size_t i = 0; i < k_json_depth_max; ++i) objects += "{\"a\":";
  EXPECT_EQ(judge(objects + "1" + std::string(k_json_depth_max, '}')), "");
  EXPECT_NE(judge("[" + objects + "1" + std::string(k_json_depth_max, '}') + "]"), "");
}

TEST_F(JsonCheckTest, TheEncodingIsLookedAtFirst) {
  EXPECT_EQ(judge("{\"a\":\"\xFF\"}"), "ENCODING_ERROR: the value is not valid UTF-8 at byte 6");
  EXPECT_EQ(judge("[\xFF"), "ENCODING_ERROR: the value is not valid UTF-8 at byte 1");
}

TEST_F(JsonCheckTest, LargeValuesAreJudgedAlike) {
  const std::string large = "{\"a\":\"" + std::string(10 << 20, 'x') + "\"}";
  EXPECT_EQ(judge(large), "");
  expect_fault(large + "!", large.size(), "more text after the value");
  EXPECT_EQ(judge("{}"), "") << "and small ones after them";
}

TEST_F(JsonCheckTest, AgreesWithAnotherParserOnDamagedText) {
  const std::vector<std::string> seeds = {
      R"({"id":"a-1","n":[1,-2.5e3,true,null],"o":{"k":"v \u00e9 \n"}})", R"([[],{},"",0.1,1e5])",
      R"("text")", "-12"};
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (auto damages = random() % 3; damages > 0 && !text.empty(); --damages) {
      const std::size_t place = random() % text.size();
      constexpr std::string_view k_pieces = "{}[],:\"\\0123eE.-+tfn u\n";
      switch (random() % 3) {
        case 0:
          text.erase(place, 1 + random() % 3);
          break;
        case 1:
          text.insert(place, 1, k_pieces[random() % k_pieces.size()]);
          break;
        default:
          text[place] = k_pieces[random() % k_pieces.size()];
      }
    }
    const bool accepted = judge(text).empty();
    // The other one refuses numbers that it cannot hold.
    if (text.find_first_of("eE") == std::string::npos || !accepted) {
      ASSERT_EQ(accepted, nlohmann::json::accept(text)) << text;
    }
    ASSERT_EQ(accepted, !first_json_fault(text)) << text;
    if (!accepted) ++refused;
  }
  EXPECT_GT(refused, 2'000);
  EXPECT_LT(refused, 18'000);
}

}  // namespace
}  // namespace bronze::decode
