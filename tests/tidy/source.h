#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bronze::tidy {

enum class Language { kCpp, kRust };

/// One source file. A value.
class Source {
 public:
  /// `path` is relative to the project, with `/`.
  Source(std::string path, std::string text);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Language language() const;
  [[nodiscard]] bool is_header() const { return path_.ends_with(".h"); }
  [[nodiscard]] bool in(std::string_view folder) const { return path_.starts_with(folder); }

  [[nodiscard]] const std::string& text() const { return text_; }
  /// The text with blanks for comments, the insides of literals and, in C++, preprocessor lines.
  /// Positions and lines are those of the text.
  [[nodiscard]] const std::string& code() const { return code_; }
  [[nodiscard]] std::vector<std::string_view> lines() const;
  /// The line of a position, from 1 on.
  [[nodiscard]] std::size_t line_of(std::size_t position) const;

 private:
  std::string path_;
  std::string text_;
  std::string code_;
};

/// The C++ and Rust files below these folders of the project at `root`.
[[nodiscard]] std::vector<Source> sources_below(const std::string& root,
                                                const std::vector<std::string>& folders);

}  // namespace bronze::tidy
