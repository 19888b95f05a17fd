#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace bronze::demo {

inline constexpr std::array<std::string_view, 8> k_topics = {
    "gps_pings", "trips",    "driver_status",   "surge_updates",
    "ratings",   "payments", "driver_profiles", "rider_profiles"};

struct Event {
  /// Index into k_topics.
  std::size_t topic = 0;
  /// Events of one driver, rider, trip or zone have the same key.
  std::string key;
  /// A JSON object.
  std::string value;
};

/// The events of a small rideshare company in Sao Paulo: drivers sign up, cruise, are sent to
/// riders, drive them, are paid and rated. Ids agree over all topics. The same seed and the same
/// times give the same events. No I/O.
class EventStream {
 public:
  explicit EventStream(std::uint64_t seed);
  ~EventStream();
  EventStream(const EventStream&) = delete;
  EventStream& operator=(const EventStream&) = delete;

  /// The next event, as of `now`.
  [[nodiscard]] Event next(UnixMicros now);

 private:
  class City;
  std::unique_ptr<City> city_;
  /// What one step of the city led to, and was not handed out yet.
  std::deque<Event> pending_;
};

}  // namespace bronze::demo
