#include "base/readable.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace bronze {
namespace {

constexpr std::int64_t k_minute = 60;
constexpr std::int64_t k_hour = 60 * k_minute;
constexpr std::int64_t k_day = 24 * k_hour;

}  // namespace

std::string with_commas(std::uint64_t value) {
  const std::string digits = std::to_string(value);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", with_commas(count), noun, count == 1 ? "" : "s");
}

std::string rate_text(double per_second) {
  constexpr double k_with_decimal_max = 9.95;
  if (per_second > 0 && per_second < k_with_decimal_max) return fmt::format("{:.1f}", per_second);
  return with_commas(static_cast<std::uint64_t>(std::llround(std::max(per_second, 0.0))));
}

std::string bytes_text(double bytes) {
  constexpr std::array k_units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  constexpr double k_next = 1024;
  constexpr double k_rounds_up_to_next = 1023.95;
  std::size_t unit = 0;
  for (; bytes >= k_rounds_up_to_next && unit + 1 < k_units.size(); ++unit) bytes /= k_next;
  return unit == 0 ? fmt::format("{:.0f} B", bytes)
                   : fmt::format("{:.1f} {}", bytes, k_units[unit]);
}

std::string duration_text(double seconds) {
  constexpr double k_milliseconds_max = 0.9995;
  constexpr double k_tenths_max = 9.95;
  if (seconds <= 0) return "0 s";
  if (seconds < k_milliseconds_max) return fmt::format("{} ms", std::llround(seconds * 1000));
  if (seconds < k_tenths_max) {
    const bool whole = std::floor(seconds) == seconds;
    return whole ? fmt::format("{:.0f} s", seconds) : fmt::format("{:.1f} s", seconds);
  }
  const std::int64_t rounded = std::llround(seconds);
  if (rounded < k_minute) return fmt::format("{} s", rounded);
  if (rounded < k_hour) return fmt::format("{} min {} s", rounded / k_minute, rounded % k_minute);
  if (rounded < k_day) {
    return fmt::format("{} h {} min", rounded / k_hour, rounded % k_hour / k_minute);
  }
  return fmt::format("{} d {} h", rounded / k_day, rounded % k_day / k_hour);
}

std::string about_text(double seconds) {
  const auto in = [&](std::int64_t unit) {
    return std::llround(seconds / static_cast<double>(unit));
  };
  if (seconds < 1.5 * k_minute) return fmt::format("{} s", in(1));
  if (seconds < 1.5 * k_hour) return fmt::format("{} min", in(k_minute));
  if (seconds < 2.0 * k_day) return fmt::format("{} h", in(k_hour));
  return fmt::format("{} days", in(k_day));
}

}  // namespace bronze
