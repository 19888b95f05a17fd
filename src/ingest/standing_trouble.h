#pragma once

#include <string>
#include <utility>

namespace bronze::ingest {

/// Why something does not go on at present, told in the log once while it stays the same. A value.
class StandingTrouble {
 public:
  /// `tell` says it in the log and returns whether that was told; what was not is tried again when
  /// the trouble is set the next time.
  template <typename Tell>
  void set(std::string why, const Tell& tell) {
    if (why != text_) told_ = false;
    text_ = std::move(why);
    if (!told_) told_ = tell();
  }
  void clear() {
    text_.clear();
    told_ = false;
  }
  /// Empty = there is none.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool told_ = false;
};

}  // namespace bronze::ingest
