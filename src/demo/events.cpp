#include "demo/events.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace bronze::demo {
namespace {

using Json = nlohmann::ordered_json;

enum Topic : std::size_t {
  kGpsPings,
  kTrips,
  kDriverStatus,
  kSurgeUpdates,
  kRatings,
  kPayments,
  kDriverProfiles,
  kRiderProfiles,
};

constexpr std::size_t k_drivers_at_first = 8;
constexpr std::size_t k_drivers_max = 400;
constexpr std::size_t k_riders_max = 2'000;
/// One more driver signs up with each so many steps.
constexpr std::uint64_t k_steps_a_driver = 40;
constexpr int k_pings_a_leg_min = 5;
constexpr int k_pings_a_leg_max = 14;
constexpr double k_surge_share = 0.03;
constexpr double k_profile_share = 0.01;

struct Place {
  double lat = 0;
  double lon = 0;
};

struct Zone {
  std::string_view id;
  std::string_view name;
  Place centre;
};

constexpr std::array<Zone, 8> k_zones = {{{"PIN", "Pinheiros", {-23.5617, -46.7020}},
                                          {"VMD", "Vila Madalena", {-23.5535, -46.6910}},
                                          {"ITB", "Itaim Bibi", {-23.5840, -46.6780}},
                                          {"MOE", "Moema", {-23.6008, -46.6650}},
                                          {"BVI", "Bela Vista", {-23.5613, -46.6440}},
                                          {"SAN", "Santana", {-23.5020, -46.6250}},
                                          {"TAT", "Tatuapé", {-23.5400, -46.5760}},
                                          {"BUT", "Butantã", {-23.5710, -46.7080}}}};
constexpr std::array<std::string_view, 10> k_first_names = {
    "Ana", "Bruno", "Camila", "Diego", "Elisa", "Fábio", "Gabriela", "Hugo", "Inês", "João"};
constexpr std::array<std::string_view, 8> k_last_names = {
    "Almeida", "Barbosa", "Cardoso", "Dias", "Ferreira", "Gonçalves", "Lima", "Souza"};
constexpr std::array<std::string_view, 5> k_cars = {"Chevrolet Onix", "Fiat Argo", "Hyundai HB20",
                                                    "Renault Kwid", "Volkswagen Gol"};
constexpr std::array<std::string_view, 3> k_payment_methods = {"credit_card", "pix", "wallet"};

std::string iso(UnixMicros time) {
  constexpr UnixMicros k_second = 1'000'000;
  constexpr UnixMicros k_milli = 1'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(time / k_second)),
                     time % k_second / k_milli);
}

double rounded(double value, double steps) { return std::round(value * steps) / steps; }
Json position(Place place) {
  return Json::array({rounded(place.lat, 1e6), rounded(place.lon, 1e6)});
}
double money(double amount) { return rounded(amount, 100); }

/// Random values by a seed, the same with every standard library.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : bits_(seed) {}

  /// [0, 1)
  double unit() { return static_cast<double>(bits_() >> 11U) * 0x1p-53; }
  double between(double low, double high) { return low + unit() * (high - low); }
  /// [0, count)
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(bits_() % count); }
  int between(int low, int high) {
    return low + static_cast<int>(below(static_cast<std::size_t>(high - low) + 1));
  }
  template <typename T, std::size_t N>
  const T& of(const std::array<T, N>& choices) {
    return choices[below(N)];
  }
  /// Version 4.
  std::string uuid() {
    const std::uint64_t high = (bits_() & 0xFFFFFFFFFFFF0FFFU) | 0x4000U;
    const std::uint64_t low = (bits_() & 0x3FFFFFFFFFFFFFFFU) | 0x8000000000000000U;
    return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32U, (high >> 16U) & 0xFFFFU,
                       high & 0xFFFFU, low >> 48U, low & 0xFFFFFFFFFFFFU);
  }

 private:
  std::mt19937_64 bits_;
};

enum class Phase { kCruising, kToPickup, kOnTrip };

struct Rider {
  std::string id;
  std::string name;
  std::string payment_method;
  int trips = 0;
};

struct Trip {
  std::string id;
  std::size_t rider = 0;
  const Zone* zone = nullptr;
  Place pickup;
  Place dropoff;
  double surge = 1;
  double km = 0;
  double fare = 0;
  UnixMicros requested_at = 0;
};

struct Driver {
  std::string id;
  std::string name;
  std::string_view car;
  std::string plate;
  double rating = 5;
  int trips = 0;
  Phase phase = Phase::kCruising;
  std::string_view status;
  Place at;
  Place target;
  int pings_left = 0;
  Trip trip;
};

}  // namespace

/// Who drives whom. One call of `step` leads to one event at least.
class EventStream::City {
 public:
  City(std::uint64_t seed, std::deque<Event>& out) : dice_(seed), out_(out) { surge_.fill(1.0); }

  void step(UnixMicros now) {
    now_ = now;
    const std::uint64_t wanted = k_drivers_at_first + steps_++ / k_steps_a_driver;
    if (drivers_.size() < std::min<std::uint64_t>(wanted, k_drivers_max)) return sign_up();
    const double chance = dice_.unit();
    if (chance < k_surge_share) return change_surge();
    if (chance < k_surge_share + k_profile_share) return change_profile();
    drive(drivers_[dice_.below(drivers_.size())]);
  }

 private:
  Json begin(std::string_view type) {
    return {{"event_id", dice_.uuid()}, {"event_type", type}, {"timestamp", iso(now_)}};
  }
  void emit(Topic topic, const std::string& key, const Json& value) {
    out_.push_back({topic, key, value.dump()});
  }

  std::string person() {
    const std::string_view first = dice_.of(k_first_names);
    const std::string_view last = dice_.of(k_last_names);
    return fmt::format("{} {}", first, last);
  }
  Place near(Place centre, double degrees) {
    return {centre.lat + dice_.between(-degrees, degrees),
            centre.lon + dice_.between(-degrees, degrees)};
  }
  void head_for(Driver& driver, Place target) {
    driver.target = target;
    driver.pings_left = dice_.between(k_pings_a_leg_min, k_pings_a_leg_max);
  }

  void sign_up() {
    Driver driver{.id = dice_.uuid(),
                  .name = person(),
                  .car = dice_.of(k_cars),
                  .plate = fmt::format("BRZ{:04}", dice_.below(10'000)),
                  .rating = dice_.between(4.2, 5.0),
                  .trips = 0,
                  .phase = Phase::kCruising,
                  .status = "offline",
                  .at = near(dice_.of(k_zones).centre, 0.01),
                  .target = {},
                  .pings_left = 0,
                  .trip = {}};
    head_for(driver, near(dice_.of(k_zones).centre, 0.01));
    tell_profile(driver, "driver.created");
    tell_status(driver, "online");
    drivers_.push_back(std::move(driver));
  }

  void tell_profile(const Driver& driver, std::string_view type) {
    Json event = begin(type);
    event["driver_id"] = driver.id;
    event["name"] = driver.name;
    event["email"] = "driver-" + driver.id.substr(0, 8) + "@example.com";
    event["home_location"] = position(driver.at);
    event["vehicle"] = {{"model", driver.car}, {"plate", driver.plate}};
    event["rating"] = money(driver.rating);
    event["completed_trips"] = driver.trips;
    emit(kDriverProfiles, driver.id, event);
  }

  void tell_profile(const Rider& rider, std::string_view type) {
    Json event = begin(type);
    event["rider_id"] = rider.id;
    event["name"] = rider.name;
    event["email"] = "rider-" + rider.id.substr(0, 8) + "@example.com";
    event["home_zone"] = dice_.of(k_zones).id;
    event["payment_method"] = rider.payment_method;
    event["completed_trips"] = rider.trips;
    emit(kRiderProfiles, rider.id, event);
  }

  void tell_status(Driver& driver, std::string_view status) {
    Json event = begin("driver_status.changed");
    event["driver_id"] = driver.id;
    event["previous_status"] = std::exchange(driver.status, status);
    event["new_status"] = status;
    event["location"] = position(driver.at);
    event["trip_id"] = driver.trip.id.empty() ? Json() : Json(driver.trip.id);
    emit(kDriverStatus, driver.id, event);
  }

  void tell_trip(const Driver& driver, std::string_view type) {
    const Trip& trip = driver.trip;
    Json event = begin(type);
    event["trip_id"] = trip.id;
    event["rider_id"] = riders_[trip.rider].id;
    event["driver_id"] = type == "trip.requested" ? Json() : Json(driver.id);
    event["zone_id"] = trip.zone->id;
    event["pickup_location"] = position(trip.pickup);
    event["dropoff_location"] = position(trip.dropoff);
    event["surge_multiplier"] = trip.surge;
    event["fare"] = trip.fare;
    event["requested_at"] = iso(trip.requested_at);
    emit(kTrips, trip.id, event);
  }

  void change_surge() {
    const std::size_t zone = dice_.below(k_zones.size());
    const double before = surge_[zone];
    surge_[zone] = std::clamp(rounded(before + dice_.between(-0.3, 0.35), 10), 1.0, 3.0);
    Json event = begin("surge.updated");
    event["zone_id"] = k_zones[zone].id;
    event["zone_name"] = k_zones[zone].name;
    event["previous_multiplier"] = before;
    event["new_multiplier"] = surge_[zone];
    event["available_drivers"] = dice_.between(2, 40);
    event["pending_requests"] = dice_.between(0, 25);
    event["calculation_window_seconds"] = 60;
    emit(kSurgeUpdates, std::string(k_zones[zone].id), event);
  }

  void change_profile() {
    if (!riders_.empty() && dice_.below(2) == 0) {
      Rider& rider = riders_[dice_.below(riders_.size())];
      rider.payment_method = dice_.of(k_payment_methods);
      tell_profile(rider, "rider.updated");
    } else {
      Driver& driver = drivers_[dice_.below(drivers_.size())];
      driver.car = dice_.of(k_cars);
      tell_profile(driver, "driver.updated");
    }
  }

  /// One ping nearer to the target; there, the next leg begins.
  void drive(Driver& driver) {
    const Place before = driver.at;
    const double part = 1.0 / driver.pings_left--;
    driver.at.lat += (driver.target.lat - before.lat) * part;
    driver.at.lon += (driver.target.lon - before.lon) * part;
    constexpr double k_degrees_a_radian = 57.29577951308232;
    const double heading = std::atan2(driver.at.lon - before.lon, driver.at.lat - before.lat);
    Json event = begin("gps.ping");
    event["driver_id"] = driver.id;
    event["location"] = position(driver.at);
    event["heading_degrees"] = rounded(std::fmod(heading * k_degrees_a_radian + 360, 360), 10);
    event["speed_kmh"] = rounded(dice_.between(12, 58), 10);
    event["accuracy_m"] = rounded(dice_.between(3, 12), 10);
    event["status"] = driver.status;
    event["trip_id"] = driver.phase == Phase::kCruising ? Json() : Json(driver.trip.id);
    emit(kGpsPings, driver.id, event);
    if (driver.pings_left == 0) arrive(driver);
  }

  void arrive(Driver& driver) {
    switch (driver.phase) {
      case Phase::kCruising:
        return accept_trip(driver);
      case Phase::kToPickup:
        driver.phase = Phase::kOnTrip;
        tell_trip(driver, "trip.started");
        tell_status(driver, "on_trip");
        return head_for(driver, driver.trip.dropoff);
      case Phase::kOnTrip:
        return complete_trip(driver);
    }
  }

  std::size_t some_rider() {
    const bool is_new = riders_.empty() || (riders_.size() < k_riders_max && dice_.below(2) == 0);
    if (!is_new) return dice_.below(riders_.size());
    riders_.push_back({.id = dice_.uuid(),
                       .name = person(),
                       .payment_method = std::string(dice_.of(k_payment_methods)),
                       .trips = 0});
    tell_profile(riders_.back(), "rider.created");
    return riders_.size() - 1;
  }

  void accept_trip(Driver& driver) {
    const std::size_t zone = dice_.below(k_zones.size());
    Trip trip{.id = dice_.uuid(),
              .rider = some_rider(),
              .zone = &k_zones[zone],
              .pickup = near(k_zones[zone].centre, 0.008),
              .dropoff = near(dice_.of(k_zones).centre, 0.012),
              .surge = surge_[zone],
              .km = 0,
              .fare = 0,
              .requested_at = now_};
    constexpr double k_km_a_degree = 106;
    // Streets are a third longer than the straight line.
    trip.km = 1.33 * k_km_a_degree *
              std::hypot(trip.dropoff.lat - trip.pickup.lat, trip.dropoff.lon - trip.pickup.lon);
    trip.fare = money((5.0 + 2.2 * trip.km) * trip.surge);
    driver.trip = std::move(trip);
    driver.phase = Phase::kToPickup;
    tell_trip(driver, "trip.requested");
    tell_trip(driver, "trip.driver_assigned");
    tell_status(driver, "en_route_to_pickup");
    head_for(driver, driver.trip.pickup);
  }

  void complete_trip(Driver& driver) {
    const Trip& trip = driver.trip;
    Rider& rider = riders_[trip.rider];
    ++driver.trips;
    ++rider.trips;
    tell_trip(driver, "trip.completed");
    Json payment = begin("payment.processed");
    payment["payment_id"] = dice_.uuid();
    payment["trip_id"] = trip.id;
    payment["rider_id"] = rider.id;
    payment["driver_id"] = driver.id;
    payment["payment_method"] = rider.payment_method;
    payment["currency"] = "BRL";
    payment["fare"] = trip.fare;
    payment["platform_fee"] = money(trip.fare * 0.25);
    payment["driver_payout"] = money(trip.fare - money(trip.fare * 0.25));
    emit(kPayments, trip.id, payment);
    tell_rating(trip.id, "rider", rider.id, driver.id);
    if (dice_.below(2) == 0) tell_rating(trip.id, "driver", driver.id, rider.id);
    driver.phase = Phase::kCruising;
    driver.trip = {};
    tell_status(driver, "online");
    head_for(driver, near(dice_.of(k_zones).centre, 0.01));
  }

  void tell_rating(const std::string& trip, std::string_view rater, const std::string& rater_id,
                   const std::string& ratee_id) {
    Json event = begin("rating.submitted");
    event["trip_id"] = trip;
    event["rater_type"] = rater;
    event["rater_id"] = rater_id;
    event["ratee_id"] = ratee_id;
    event["rating"] = dice_.unit() < 0.8 ? 5 : dice_.between(1, 4);
    emit(kRatings, trip, event);
  }

  Dice dice_;
  std::deque<Event>& out_;
  UnixMicros now_ = 0;
  std::uint64_t steps_ = 0;
  std::vector<Driver> drivers_;
  std::vector<Rider> riders_;
  std::array<double, k_zones.size()> surge_{};
};

EventStream::EventStream(std::uint64_t seed) : city_(std::make_unique<City>(seed, pending_)) {}
EventStream::~EventStream() = default;

Event EventStream::next(UnixMicros now) {
  if (pending_.empty()) city_->step(now);
  Event event = std::move(pending_.front());
  pending_.pop_front();
  return event;
}

}  // namespace bronze::demo
