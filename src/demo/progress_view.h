#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "demo/ledger.h"

namespace bronze::demo {

enum class Stage { kProducing, kWritingTheRest };

/// How far the demo has got at one moment.
struct Progress {
  Stage stage = Stage::kProducing;
  std::chrono::milliseconds elapsed{};
  std::chrono::seconds planned{};
  /// In the order of k_topics.
  std::vector<TopicCount> topics;
  /// Produced a second since the last look.
  double rate = 0;
  /// Entries of all tables' logs.
  std::uint64_t commits = 0;
  /// Resident memory of the process.
  std::uint64_t memory_bytes = 0;
};

/// `12.3 MB` or `12.3 kB`, decimal.
[[nodiscard]] std::string as_size(std::uint64_t bytes);

inline constexpr std::size_t k_block_columns = 72;
/// Lines of at most k_block_columns columns; always the same number.
[[nodiscard]] std::vector<std::string> progress_block(const Progress& progress);

[[nodiscard]] std::string progress_line(const Progress& progress);

/// A block of lines on a terminal that is drawn over and over at the same place.
class LiveBlock {
 public:
  explicit LiveBlock(std::ostream& terminal) : terminal_(terminal) {}
  void draw(const std::vector<std::string>& lines);

 private:
  std::ostream& terminal_;
  std::size_t drawn_ = 0;
};

}  // namespace bronze::demo
