#include "config/rfc3339.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>

namespace bronze::config {
namespace {

/// Takes fixed pieces off the front of a text; after the first mismatch everything fails.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  int digits(std::size_t count) {
    if (rest_.size() < count) return fail();
    int value = 0;
    for (const char c : rest_.substr(0, count)) {
      if (c < '0' || c > '9') return fail();
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(count);
    return value;
  }

  /// The next character if it is one of `allowed`, otherwise a failure and 0.
  char one_of(std::string_view allowed) {
    if (rest_.empty() || allowed.find(rest_.front()) == std::string_view::npos) {
      fail();
      return 0;
    }
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  bool skip_if(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  [[nodiscard]] bool next_is_digit() const {
    return !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
  }

  [[nodiscard]] bool complete() const { return ok_ && rest_.empty(); }

 private:
  int fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool ok_ = true;
};

std::chrono::milliseconds parse_fraction(Cursor& cursor) {
  std::int64_t ms = 0;
  std::int64_t unit = 100;
  ms += unit * cursor.digits(1);
  while (cursor.next_is_digit()) {
    unit /= 10;
    ms += unit * cursor.digits(1);
  }
  return std::chrono::milliseconds{ms};
}

struct Zone {
  int hours = 0;
  int minutes = 0;
  bool west = false;
};

Zone parse_zone(Cursor& cursor) {
  const char sign = cursor.one_of("Zz+-");
  Zone zone;
  if (sign == '+' || sign == '-') {
    zone.west = sign == '-';
    zone.hours = cursor.digits(2);
    cursor.one_of(":");
    zone.minutes = cursor.digits(2);
  }
  return zone;
}

}  // namespace

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  Cursor cursor(text);
  const int y = cursor.digits(4);
  cursor.one_of("-");
  const int mo = cursor.digits(2);
  cursor.one_of("-");
  const int d = cursor.digits(2);
  cursor.one_of("Tt ");
  const int h = cursor.digits(2);
  cursor.one_of(":");
  const int mi = cursor.digits(2);
  cursor.one_of(":");
  const int s = cursor.digits(2);
  const milliseconds fraction = cursor.skip_if('.') ? parse_fraction(cursor) : milliseconds{0};
  const Zone zone = parse_zone(cursor);

  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)},
                            day{static_cast<unsigned>(d)}};
  if (!cursor.complete() || !date.ok() || h > 23 || mi > 59 || s > 60 || zone.hours > 23 ||
      zone.minutes > 59) {
    return std::nullopt;
  }
  const minutes offset = hours{zone.hours} + minutes{zone.minutes};
  const auto utc = sys_days{date} + hours{h} + minutes{mi} + seconds{s} + fraction +
                   (zone.west ? offset : -offset);
  const std::int64_t unix_ms = duration_cast<milliseconds>(utc.time_since_epoch()).count();
  return unix_ms < 0 ? std::nullopt : std::optional{unix_ms};
}

std::string format_rfc3339(std::int64_t unix_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds{unix_ms}};
  const auto midnight = floor<days>(time);
  const year_month_day date{midnight};
  const hh_mm_ss clock{time - midnight};
  std::array<char, 64> out{};
  std::snprintf(
      out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return out.data();
}

}  // namespace bronze::config
