#include "tidy/functions.h"

#include <algorithm>
#include <cctype>
#include <regex>
#include <set>
#include <string_view>

namespace bronze::tidy {
namespace {

bool is_blank(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

/// The position of the bracket that closes the one at `open`.
std::size_t closing(const std::string& code, std::size_t open) {
  const char opens = code[open];
  const char closes = opens == '{' ? '}' : ')';
  int depth = 0;
  for (std::size_t i = open; i < code.size(); ++i) {
    if (code[i] == opens) ++depth;
    if (code[i] == closes && --depth == 0) return i;
  }
  return code.size() - 1;
}

bool declares_function(const std::string& head) {
  static const std::regex k_scope(R"(\b(class|struct|union|enum|namespace)\b[^()]*$)");
  return head.find(')') != std::string::npos && !std::regex_search(head, k_scope);
}

Function function_between(const Source& source, std::size_t head, std::size_t close) {
  const std::string& code = source.code();
  static const std::regex k_access(R"(^\s*(public|private|protected):)");
  std::smatch access;
  const std::string text = code.substr(head, close - head);
  if (std::regex_search(text, access, k_access)) {
    head += static_cast<std::size_t>(access.length());
  }
  while (head < close && is_blank(code[head])) ++head;
  const std::size_t line = source.line_of(head);
  return {line, source.line_of(close) - line + 1};
}

std::vector<Function> cpp_functions(const Source& source) {
  const std::string& code = source.code();
  std::vector<Function> functions;
  std::size_t head = 0;
  for (std::size_t i = 0; i < code.size(); ++i) {
    if (code[i] == ';' || code[i] == '}') head = i + 1;
    if (code[i] != '{') continue;
    if (i > 0 && !is_blank(code[i - 1])) {
      // An initialiser: the declaration goes on behind it.
      i = closing(code, i);
      continue;
    }
    if (declares_function(code.substr(head, i - head))) {
      i = closing(code, i);
      functions.push_back(function_between(source, head, i));
    }
    head = i + 1;
  }
  return functions;
}

std::vector<Function> rust_functions(const Source& source) {
  const std::string& code = source.code();
  static const std::regex k_fn(R"(\bfn\s+\w+)");
  std::vector<Function> functions;
  for (std::sregex_iterator found(code.begin(), code.end(), k_fn), end; found != end; ++found) {
    const auto head = static_cast<std::size_t>(found->position());
    int depth = 0;
    std::size_t i = head;
    for (; i < code.size(); ++i) {
      if (code[i] == '(' || code[i] == '[') ++depth;
      if (code[i] == ')' || code[i] == ']') --depth;
      if (depth == 0 && (code[i] == '{' || code[i] == ';')) break;
    }
    if (i < code.size() && code[i] == '{') {
      functions.push_back(function_between(source, head, closing(code, i)));
    }
  }
  return functions;
}

std::size_t parameters_in(std::string_view list) {
  if (std::all_of(list.begin(), list.end(), is_blank)) return 0;
  constexpr std::string_view k_opening = "([{<";
  constexpr std::string_view k_closing = ")]}>";
  std::size_t count = 1;
  int depth = 0;
  for (const char c : list) {
    if (k_opening.find(c) != std::string_view::npos) ++depth;
    if (k_closing.find(c) != std::string_view::npos) --depth;
    if (c == ',' && depth == 0) ++count;
  }
  return count;
}

}  // namespace

std::vector<Function> functions_of(const Source& source) {
  return source.language() == Language::kRust ? rust_functions(source) : cpp_functions(source);
}

std::vector<Constructor> constructors_of(const Source& source) {
  if (source.language() != Language::kCpp) return {};
  const std::string& code = source.code();
  static const std::regex k_class(R"(\b(?:class|struct)\s+(\w+))");
  std::set<std::string> classes;
  for (std::sregex_iterator found(code.begin(), code.end(), k_class), end; found != end; ++found) {
    classes.insert((*found)[1]);
  }
  static const std::regex k_call(
      R"((?:^|\n)[ \t]*(?:explicit\s+|constexpr\s+|inline\s+)*(?:\w+::)*?(?:(\w+)::)?(\w+)\()");
  std::vector<Constructor> constructors;
  for (std::sregex_iterator found(code.begin(), code.end(), k_call), end; found != end; ++found) {
    const std::string name = (*found)[2];
    const bool qualified = (*found)[1].matched;
    if (qualified ? (*found)[1] != name : !classes.contains(name)) continue;
    const auto open = static_cast<std::size_t>(found->position() + found->length()) - 1;
    const std::size_t close = closing(code, open);
    constructors.push_back(
        {name, source.line_of(open),
         parameters_in(std::string_view(code).substr(open + 1, close - open - 1))});
  }
  return constructors;
}

}  // namespace bronze::tidy
