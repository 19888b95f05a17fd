#include "demo/events.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

namespace bronze::demo {
namespace {

using Json = nlohmann::json;

constexpr UnixMicros k_begin = 1'705'314'600'250'000;  // 2024-01-15T10:30:00.25Z
constexpr UnixMicros k_step = 200;

struct Parsed {
  Event event;
  Json json;
};

std::vector<Parsed> events(std::size_t count, std::uint64_t seed = 1) {
  EventStream stream(seed);
  std::vector<Parsed> all;
  for (std::size_t i = 0; i < count; ++i) {
    Event event = stream.next(k_begin + static_cast<UnixMicros>(i) * k_step);
    Json json = Json::parse(event.value);
    all.push_back({std::move(event), std::move(json)});
  }
  return all;
}

const std::vector<Parsed>& many() {
  static const auto k_many = events(20'000);
  return k_many;
}

std::size_t topic(std::string_view name) {
  return static_cast<std::size_t>(std::ranges::find(k_topics, name) - k_topics.begin());
}

TEST(DemoEventsTest, EveryTopicHasItsFields) {
  const std::map<std::string_view, std::vector<std::string>> fields = {
      {"gps_pings", {"driver_id", "location", "heading_degrees", "speed_kmh", "status", "trip_id"}},
      {"trips",
       {"trip_id", "rider_id", "driver_id", "pickup_location", "dropoff_location", "fare",
        "surge_multiplier", "requested_at"}},
      {"driver_status", {"driver_id", "previous_status", "new_status", "location"}},
      {"surge_updates", {"zone_id", "previous_multiplier", "new_multiplier"}},
      {"ratings", {"trip_id", "rater_type", "rater_id", "ratee_id", "rating"}},
      {"payments", {"payment_id", "trip_id", "fare", "platform_fee", "driver_payout"}},
      {"driver_profiles", {"driver_id", "name", "vehicle", "rating"}},
      {"rider_profiles", {"rider_id", "name", "payment_method"}}};
  std::set<std::size_t> seen;
  for (const auto& [event, json] : many()) {
    seen.insert(event.topic);
    EXPECT_FALSE(event.key.empty());
    for (const char* common : {"event_id", "event_type", "timestamp"}) {
      ASSERT_TRUE(json.contains(common)) << event.value;
    }
    for (const auto& field : fields.at(k_topics[event.topic])) {
      ASSERT_TRUE(json.contains(field)) << field << " in " << event.value;
    }
  }
  EXPECT_EQ(seen.size(), k_topics.size());
}

TEST(DemoEventsTest, SizesAreThoseOfRealEvents) {
  std::uint64_t bytes = 0;
  for (const auto& parsed : many()) {
    bytes += parsed.event.value.size();
    ASSERT_GE(parsed.event.value.size(), 200U) << parsed.event.value;
    ASSERT_LE(parsed.event.value.size(), 700U) << parsed.event.value;
  }
  EXPECT_GT(bytes / many().size(), 300U);
}

TEST(DemoEventsTest, TheSameSeedGivesTheSameEvents) {
  const auto first = events(500, 7);
  const auto second = events(500, 7);
  const auto other = events(500, 8);
  const auto same = [](const Parsed& a, const Parsed& b) {
    return a.event.topic == b.event.topic && a.event.key == b.event.key &&
           a.event.value == b.event.value;
  };
  EXPECT_TRUE(std::ranges::equal(first, second, same));
  EXPECT_FALSE(std::ranges::equal(first, other, same));
}

TEST(DemoEventsTest, EventIdsAreUniqueUuids) {
  std::set<std::string> ids;
  for (const auto& parsed : many()) {
    const auto id = parsed.json["event_id"].get<std::string>();
    ASSERT_EQ(id.size(), 36U);
    EXPECT_EQ(id[14], '4');
    EXPECT_TRUE(ids.insert(id).second) << id;
  }
}

TEST(DemoEventsTest, TimestampsAreThoseOfTheClock) {
  EXPECT_EQ(many().front().json["timestamp"], "2024-01-15T10:30:00.250Z");
}

TEST(DemoEventsTest, AllEightTopicsHaveEventsSoon) {
  std::set<std::size_t> seen;
  for (const auto& parsed : events(600)) seen.insert(parsed.event.topic);
  EXPECT_EQ(seen.size(), k_topics.size());
}

TEST(DemoEventsTest, IdsAgreeOverAllTopics) {
  std::set<std::string> drivers;
  std::set<std::string> riders;
  std::map<std::string, std::vector<std::string>> trips;
  std::map<std::string, double> fares;
  for (const auto& [event, json] : many()) {
    if (event.topic == topic("driver_profiles")) drivers.insert(json["driver_id"]);
    if (event.topic == topic("rider_profiles")) riders.insert(json["rider_id"]);
    if (event.topic == topic("gps_pings") || event.topic == topic("driver_status")) {
      ASSERT_TRUE(drivers.contains(json["driver_id"])) << "no profile came before " << event.value;
    }
    if (event.topic == topic("trips")) {
      ASSERT_TRUE(riders.contains(json["rider_id"]));
      trips[json["trip_id"]].push_back(json["event_type"]);
      fares[json["trip_id"]] = json["fare"];
    }
    if (event.topic == topic("payments")) {
      ASSERT_EQ(trips[json["trip_id"]].back(), "trip.completed");
      EXPECT_EQ(json["fare"], fares[json["trip_id"]]);
      EXPECT_NEAR(json["platform_fee"].get<double>() + json["driver_payout"].get<double>(),
                  json["fare"].get<double>(), 0.001);
    }
    if (event.topic == topic("ratings")) {
      ASSERT_EQ(trips[json["trip_id"]].back(), "trip.completed");
      EXPECT_TRUE(json["rating"] >= 1 && json["rating"] <= 5);
    }
  }
  const std::vector<std::string> whole = {"trip.requested", "trip.driver_assigned", "trip.started",
                                          "trip.completed"};
  std::size_t completed = 0;
  for (const auto& [id, steps] : trips) {
    ASSERT_LE(steps.size(), whole.size());
    EXPECT_TRUE(std::equal(steps.begin(), steps.end(), whole.begin())) << id;
    if (steps.size() == whole.size()) ++completed;
  }
  EXPECT_GT(completed, 100U);
}

TEST(DemoEventsTest, DriversMoveAlongAndStayInTown) {
  std::map<std::string, std::pair<double, double>> last;
  for (const auto& [event, json] : many()) {
    if (event.topic != topic("gps_pings")) continue;
    const double lat = json["location"][0];
    const double lon = json["location"][1];
    ASSERT_TRUE(lat > -23.65 && lat < -23.45) << event.value;
    ASSERT_TRUE(lon > -46.78 && lon < -46.50) << event.value;
    const auto before = last.find(json["driver_id"]);
    if (before != last.end()) {
      EXPECT_LT(std::abs(before->second.first - lat), 0.04);
      EXPECT_LT(std::abs(before->second.second - lon), 0.04);
    }
    last[json["driver_id"]] = {lat, lon};
  }
}

}  // namespace
}  // namespace bronze::demo
