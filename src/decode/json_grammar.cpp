#include "decode/json_grammar.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace bronze::decode {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<unsigned> hex_value(char c) {
  if (is_digit(c)) return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

/// One pass over a text, without recursion.
class Reading {
 public:
  Reading(std::string_view text, std::size_t depth_max, const JsonMemberSink& sink)
      : text_(text), depth_max_(depth_max), sink_(sink) {}

  std::optional<JsonFault> run() {
    if (text_.starts_with("\xEF\xBB\xBF")) return JsonFault{0, "a byte order mark"};
    while (!fault_) {
      skip_space();
      if (at_ == text_.size()) {
        if (expected_ != Expected::kEndOfValue || !open_.empty()) fail("the text ends too early");
        break;
      }
      step(text_[at_]);
      if (!fault_ && value_at_ && at_member_end()) tell_member();
    }
    return std::move(fault_);
  }

 private:
  enum class Expected { kValue, kValueOrEnd, kName, kNameOrEnd, kEndOfValue };

  void step(char c) {
    switch (expected_) {
      case Expected::kValueOrEnd:
      case Expected::kNameOrEnd:
        if (c == open_.back()) return close();
        return expected_ == Expected::kValueOrEnd ? value(c) : name(c);
      case Expected::kValue:
        return value(c);
      case Expected::kName:
        return name(c);
      case Expected::kEndOfValue:
        if (open_.empty()) return fail("more text after the value");
        if (c == open_.back()) return close();
        if (c != ',') return fail(std::string("expected , or ") + open_.back());
        ++at_;
        expected_ = open_.back() == '}' ? Expected::kName : Expected::kValue;
        return;
    }
  }

  [[nodiscard]] bool in_outermost_object() const {
    return open_.size() == 1 && open_.back() == '}';
  }

  [[nodiscard]] bool at_member_end() const {
    return expected_ == Expected::kEndOfValue && in_outermost_object();
  }

  void tell_member() {
    sink_(name_, text_.substr(*value_at_, at_ - *value_at_));
    value_at_.reset();
  }

  void value(char c) {
    if (sink_ && in_outermost_object()) value_at_ = at_;
    expected_ = Expected::kEndOfValue;
    switch (c) {
      case '{':
        return open('}', Expected::kNameOrEnd);
      case '[':
        return open(']', Expected::kValueOrEnd);
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  void name(char c) {
    if (c != '"') return fail("expected a name in quotes");
    const std::size_t first = at_;
    string();
    if (fault_) return;
    if (in_outermost_object()) name_ = text_.substr(first, at_ - first);
    skip_space();
    if (next() != ':') return fail("expected :");
    ++at_;
    expected_ = Expected::kValue;
  }

  void open(char end, Expected then) {
    if (open_.size() == depth_max_) {
      return fail("nested deeper than " + std::to_string(depth_max_));
    }
    open_.push_back(end);
    ++at_;
    expected_ = then;
  }

  void close() {
    open_.pop_back();
    ++at_;
    expected_ = Expected::kEndOfValue;
  }

  void word(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return fail("expected a value");
    at_ += word.size();
  }

  void number() {
    const std::size_t first = at_;
    if (next() == '-') ++at_;
    if (!is_digit(next())) {
      return fail(at_ == first ? "expected a value" : "expected a digit");
    }
    if (next() == '0') {
      ++at_;
      if (is_digit(next())) return fail("a number with a leading zero");
    } else {
      digits();
    }
    if (next() == '.') {
      ++at_;
      if (!is_digit(next())) return fail("expected a digit");
      digits();
    }
    if (next() == 'e' || next() == 'E') {
      ++at_;
      if (next() == '+' || next() == '-') ++at_;
      if (!is_digit(next())) return fail("expected a digit");
      digits();
    }
  }

  void digits() {
    while (is_digit(next())) ++at_;
  }

  void string() {
    const std::size_t first = at_++;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        ++at_;
        return;
      }
      if (static_cast<unsigned char>(c) < 0x20) return fail("a control character in a string");
      if (c == '\\') {
        escape();
        if (fault_) return;
      } else {
        ++at_;
      }
    }
    at_ = first;
    fail("a string without end");
  }

  void escape() {
    constexpr std::string_view k_simple = "\"\\/bfnrt";
    const std::size_t first = at_++;
    if (at_ < text_.size() && k_simple.find(text_[at_]) != std::string_view::npos) {
      ++at_;
      return;
    }
    const auto code = code_unit();
    if (!code) return fail_at(first, "an escape that there is not");
    const auto is_half = [](unsigned unit, unsigned begin) {
      return unit >= begin && unit < begin + 0x400;
    };
    if (is_half(*code, 0xDC00)) return fail_at(first, "half a surrogate pair");
    if (!is_half(*code, 0xD800)) return;
    std::optional<unsigned> second;
    if (next() == '\\') {
      ++at_;
      second = code_unit();
    }
    if (!second || !is_half(*second, 0xDC00)) fail_at(first, "half a surrogate pair");
  }

  /// Of `u` and four digits.
  std::optional<unsigned> code_unit() {
    if (next() != 'u') return std::nullopt;
    ++at_;
    unsigned code = 0;
    for (int i = 0; i < 4; ++i) {
      const auto digit = hex_value(next());
      if (!digit) return std::nullopt;
      code = code * 16 + *digit;
      ++at_;
    }
    return code;
  }

  /// NUL at the end, which no rule expects.
  [[nodiscard]] char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\n\r").find(text_[at_]) != std::string::npos)
      ++at_;
  }

  void fail(std::string what) { fail_at(at_, std::move(what)); }
  void fail_at(std::size_t position, std::string what) {
    fault_ = JsonFault{position, std::move(what)};
  }

  const std::string_view text_;
  const std::size_t depth_max_;
  /// Empty = nobody wants the members.
  const JsonMemberSink& sink_;
  std::size_t at_ = 0;
  /// Of the member whose value begins at `value_at_` and has not been told.
  std::string_view name_;
  std::optional<std::size_t> value_at_;
  /// What closes each container that is open.
  std::vector<char> open_;
  Expected expected_ = Expected::kValue;
  std::optional<JsonFault> fault_;
};

}  // namespace

std::optional<JsonFault> first_json_fault(std::string_view text) {
  const JsonMemberSink nobody;
  return Reading(text, k_json_depth_max, nobody).run();
}

std::optional<JsonFault> read_json_members(std::string_view text, const JsonMemberSink& sink) {
  return Reading(text, std::numeric_limits<std::size_t>::max(), sink).run();
}

std::string json_string(std::string_view written) {
  return nlohmann::json::parse(written).get<std::string>();
}

}  // namespace bronze::decode
