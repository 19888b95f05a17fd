#include "tidy/source.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace bronze::tidy {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// Overwrites with blanks what is not code.
class Scrubber {
 public:
  Scrubber(std::string text, Language language) : text_(std::move(text)), language_(language) {}

  std::string scrub() && {
    while (at_ < text_.size()) {
      if (starts("//")) {
        blank_to(std::min(text_.find('\n', at_), text_.size()));
      } else if (starts("/*")) {
        blank_to(end_of_comment());
      } else if (is_raw_string()) {
        raw_string();
      } else if (text_[at_] == '"') {
        literal('"');
      } else if (text_[at_] == '\'' && is_character()) {
        literal('\'');
      } else {
        ++at_;
      }
    }
    if (language_ == Language::kCpp) blank_preprocessor();
    return std::move(text_);
  }

 private:
  [[nodiscard]] bool starts(std::string_view with) const {
    return std::string_view(text_).substr(at_).starts_with(with);
  }
  [[nodiscard]] char before() const { return at_ == 0 ? ' ' : text_[at_ - 1]; }
  [[nodiscard]] char after(std::size_t distance) const {
    return at_ + distance < text_.size() ? text_[at_ + distance] : ' ';
  }

  void blank_to(std::size_t end) {
    for (; at_ < end; ++at_) {
      if (text_[at_] != '\n') text_[at_] = ' ';
    }
  }

  [[nodiscard]] std::size_t end_of_comment() const {
    int depth = 0;
    for (std::size_t i = at_; i + 1 < text_.size(); ++i) {
      if (text_.compare(i, 2, "/*") == 0 && (depth == 0 || language_ == Language::kRust)) {
        ++depth;
        ++i;
      } else if (text_.compare(i, 2, "*/") == 0) {
        ++i;
        if (--depth == 0) return i + 1;
      }
    }
    return text_.size();
  }

  /// In C++ `'` also separates digits, in Rust it begins a lifetime.
  [[nodiscard]] bool is_character() const {
    if (language_ == Language::kCpp) return !is_word(before());
    return after(1) == '\\' || after(2) == '\'' || (after(1) & 0x80) != 0;
  }

  [[nodiscard]] bool is_raw_string() const {
    if (language_ == Language::kCpp) return starts("R\"") && !is_word(before());
    const bool begins = text_[at_] == 'r' && (!is_word(before()) || before() == 'b');
    return begins && (after(1) == '"' || (after(1) == '#' && (after(2) == '"' || after(2) == '#')));
  }

  void raw_string() {
    const std::size_t quote = text_.find('"', at_);
    if (quote == std::string::npos) return blank_to(text_.size());
    std::string closing;
    if (language_ == Language::kCpp) {
      closing = ")" + text_.substr(quote + 1, text_.find('(', quote) - quote - 1) + "\"";
    } else {
      closing = "\"" + text_.substr(at_ + 1, quote - at_ - 1);
    }
    at_ = quote + 1;
    blank_to(std::min(text_.find(closing, at_), text_.size()));
    at_ = std::min(at_ + closing.size(), text_.size());
  }

  void literal(char quote) {
    std::size_t end = ++at_;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' ? 2 : 1;
    blank_to(std::min(end, text_.size()));
    at_ = std::min(at_ + 1, text_.size());
  }

  void blank_preprocessor() {
    at_ = 0;
    while (at_ < text_.size()) {
      const std::size_t first = text_.find_first_not_of(" \t", at_);
      std::size_t end = std::min(text_.find('\n', at_), text_.size());
      while (end > 0 && end < text_.size() && text_[end - 1] == '\\') {
        end = std::min(text_.find('\n', end + 1), text_.size());
      }
      if (first < end && text_[first] == '#') blank_to(end);
      at_ = end + 1;
    }
  }

  std::string text_;
  const Language language_;
  std::size_t at_ = 0;
};

}  // namespace

Source::Source(std::string path, std::string text)
    : path_(std::move(path)), text_(std::move(text)), code_(Scrubber(text_, language()).scrub()) {}

Language Source::language() const {
  return path_.ends_with(".rs") ? Language::kRust : Language::kCpp;
}

std::vector<std::string_view> Source::lines() const {
  std::vector<std::string_view> lines;
  std::string_view rest = text_;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

std::size_t Source::line_of(std::size_t position) const {
  const auto end = text_.begin() + static_cast<std::ptrdiff_t>(std::min(position, text_.size()));
  return static_cast<std::size_t>(std::count(text_.begin(), end, '\n')) + 1;
}

std::vector<Source> sources_below(const std::string& root,
                                  const std::vector<std::string>& folders) {
  namespace fs = std::filesystem;
  std::vector<Source> sources;
  for (const auto& folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(root) / folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".cpp" && extension != ".h" && extension != ".rs") continue;
      std::ifstream file(entry.path(), std::ios::binary);
      if (!file) throw std::runtime_error("cannot read " + entry.path().string());
      sources.emplace_back(fs::relative(entry.path(), root).generic_string(),
                           std::string(std::istreambuf_iterator<char>(file), {}));
    }
  }
  return sources;
}

}  // namespace bronze::tidy
