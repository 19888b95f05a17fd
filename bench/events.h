#pragma once

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

namespace bronze::bench {

/// Rideshare-like events of about 540 bytes, as JSON; the same ones each time.
class Events {
 public:
  /// Valid until the next call.
  std::string_view next() {
    ++number_;
    text_.clear();
    fmt::format_to(
        std::back_inserter(text_),
        R"({{"event_id": "{}", "event_type": "driver.location", "trip_id": "{}", "driver_id": "driver-{}", "rider_id": "rider-{}", )"
        R"("sequence": {}, "latitude": {:.14f}, "longitude": {:.14f}, "speed_kmh": {:.14f}, "accuracy_m": 5.0, )"
        R"("status": "{}", "timestamp": "2026-03-01T{:02}:{:02}:00.{:03}Z", )"
        R"("session_id": "{}", "correlation_id": "{}", "causation_id": "{}"}})",
        id(), id(), bits_() % 5'000, bits_() % 50'000, number_, between(-23.7, -23.4),
        between(-46.8, -46.5), between(0, 90), k_status[bits_() % k_status.size()], number_ % 24,
        number_ % 60, number_ % 1000, id(), id(), id());
    return text_;
  }

 private:
  std::string id() { return fmt::format("{:016x}{:016x}", bits_(), bits_()); }
  double between(double low, double high) {
    return low + static_cast<double>(bits_() >> 11U) * 0x1p-53 * (high - low);
  }

  static constexpr std::array<std::string_view, 4> k_status{"available", "en_route", "on_trip",
                                                            "offline"};

  std::mt19937_64 bits_{1};
  std::uint64_t number_ = 0;
  std::string text_;
};

}  // namespace bronze::bench
