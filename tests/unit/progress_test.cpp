#include "ingest/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace bronze::ingest {
namespace {

struct LandingCase {
  std::string name;
  std::vector<TxnStep> steps;
  delta::TxnMap txns;
  Landing landing;
};

const std::vector<LandingCase>& cases() {
  const std::vector<TxnStep> one = {{"p0", 10, 20}};
  const std::vector<TxnStep> two = {{"p0", 10, 20}, {"p1", 5, 7}};
  const std::vector<TxnStep> begins = {{"r", std::nullopt, 77}, {"p0", std::nullopt, 0}};
  const std::vector<TxnStep> begins_one = {{"p0", 10, 20}, {"p1", std::nullopt, 7}};
  static const std::vector<LandingCase> k_cases = {
      {"at base", one, {{"p0", 10}}, Landing::kNotLanded},
      {"at next", one, {{"p0", 20}}, Landing::kAtNext},
      {"between", one, {{"p0", 15}}, Landing::kMoved},
      {"before base", one, {{"p0", 9}}, Landing::kMoved},
      {"beyond next", one, {{"p0", 21}}, Landing::kMoved},
      {"vanished", one, {}, Landing::kMoved},
      {"others do not matter", one, {{"p0", 10}, {"p1", 99}}, Landing::kNotLanded},
      {"only others", one, {{"p1", 10}}, Landing::kMoved},
      {"both at base", two, {{"p0", 10}, {"p1", 5}}, Landing::kNotLanded},
      {"both at next", two, {{"p0", 20}, {"p1", 7}}, Landing::kAtNext},
      {"first at next", two, {{"p0", 20}, {"p1", 5}}, Landing::kMoved},
      {"second at next", two, {{"p0", 10}, {"p1", 7}}, Landing::kMoved},
      {"second beyond", two, {{"p0", 20}, {"p1", 8}}, Landing::kMoved},
      {"second vanished", two, {{"p0", 10}}, Landing::kMoved},
      {"swapped numbers", two, {{"p0", 5}, {"p1", 10}}, Landing::kMoved},
      {"absent as expected", begins, {}, Landing::kNotLanded},
      {"absent, now at next", begins, {{"r", 77}, {"p0", 0}}, Landing::kAtNext},
      {"absent, another number", begins, {{"r", 78}, {"p0", 0}}, Landing::kMoved},
      {"absent, registry only", begins, {{"r", 77}}, Landing::kMoved},
      {"absent is not 0", {{"p0", 0, 5}}, {}, Landing::kMoved},
      {"0 is not absent", {{"p0", std::nullopt, 5}}, {{"p0", 0}}, Landing::kMoved},
      {"one of two begins", begins_one, {{"p0", 10}}, Landing::kNotLanded},
      {"one of two begins, at next", begins_one, {{"p0", 20}, {"p1", 7}}, Landing::kAtNext},
      {"one of two begins, is there", begins_one, {{"p0", 10}, {"p1", 0}}, Landing::kMoved},
      {"offset 0", {{"p0", 0, 1}}, {{"p0", 0}}, Landing::kNotLanded},
  };
  return k_cases;
}

TEST(Landing, OfEveryCase) {
  for (const auto& one : cases())
    EXPECT_EQ(landing_of(one.steps, one.txns), one.landing) << one.name;
}

TEST(Landing, OrderOfTheStepsDoesNotMatter) {
  for (auto one : cases()) {
    std::reverse(one.steps.begin(), one.steps.end());
    EXPECT_EQ(landing_of(one.steps, one.txns), one.landing) << one.name;
  }
}

TEST(PositionIn, TellsAbsentFromZero) {
  const delta::TxnMap txns = {{"p0", 0}, {"p1", 12}};
  EXPECT_EQ(position_in(txns, "p0"), Offset{0});
  EXPECT_EQ(position_in(txns, "p1"), Offset{12});
  EXPECT_EQ(position_in(txns, "p"), std::nullopt);
  EXPECT_EQ(position_in({}, "p0"), std::nullopt);
}

}  // namespace
}  // namespace bronze::ingest
