#include "demo/progress_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "base/readable.h"
#include "demo/events.h"

namespace bronze::demo {
namespace {

std::string age(Duration behind) {
  return fmt::format("{:.1f} s", std::chrono::duration<double>(behind).count());
}

std::string stage_text(const Progress& progress) {
  if (progress.stage == Stage::kWritingTheRest) return "writing what is left";
  const auto seconds = std::chrono::floor<std::chrono::seconds>(progress.elapsed);
  return fmt::format("{} s of {} s", std::min(seconds, progress.planned).count(),
                     progress.planned.count());
}

TopicCount sum(const std::vector<TopicCount>& topics) {
  TopicCount total;
  for (const auto& topic : topics) {
    total.produced += topic.produced;
    total.bytes += topic.bytes;
    total.written += topic.written;
    total.behind = std::max(total.behind, topic.behind);
  }
  return total;
}

std::string block_row(std::string_view name, const TopicCount& count) {
  return fmt::format("  {:<18}{:>14}{:>14}{:>12}", name, with_commas(count.produced),
                     with_commas(count.written), age(count.behind));
}

std::uint64_t whole(double rate) {
  return static_cast<std::uint64_t>(std::llround(std::max(rate, 0.0)));
}

}  // namespace

std::string as_size(std::uint64_t bytes) {
  constexpr double k_megabyte = 1e6;
  constexpr double k_kilobyte = 1e3;
  const auto size = static_cast<double>(bytes);
  return size < k_megabyte ? fmt::format("{:.1f} kB", size / k_kilobyte)
                           : fmt::format("{:.1f} MB", size / k_megabyte);
}

std::vector<std::string> progress_block(const Progress& progress) {
  std::vector<std::string> lines;
  lines.push_back(
      fmt::format("  {:<18}{:>14}{:>14}{:>12}", "topic", "produced", "written", "behind"));
  for (std::size_t i = 0; i < progress.topics.size(); ++i) {
    lines.push_back(block_row(k_topics[i], progress.topics[i]));
  }
  lines.push_back(block_row("total", sum(progress.topics)));
  lines.emplace_back();
  lines.push_back(fmt::format("  {}   {} events/s   {} commits   memory {}", stage_text(progress),
                              with_commas(whole(progress.rate)), with_commas(progress.commits),
                              as_size(progress.memory_bytes)));
  return lines;
}

std::string progress_line(const Progress& progress) {
  const TopicCount total = sum(progress.topics);
  return fmt::format("{}: {} produced, {} written, {} behind, {} events/s, {} commits, memory {}",
                     stage_text(progress), with_commas(total.produced), with_commas(total.written),
                     age(total.behind), with_commas(whole(progress.rate)),
                     with_commas(progress.commits), as_size(progress.memory_bytes));
}

void LiveBlock::draw(const std::vector<std::string>& lines) {
  if (drawn_ > 0) terminal_ << "\x1b[" << drawn_ << "A\r";
  for (const auto& line : lines) terminal_ << line << "\x1b[K\n";
  terminal_ << "\x1b[J" << std::flush;
  drawn_ = lines.size();
}

}  // namespace bronze::demo
