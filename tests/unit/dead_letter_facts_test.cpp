#include "ingest/dead_letter_facts.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "batch/schema.h"
#include "fakes/silent_table.h"
#include "ingest/table_shape.h"

namespace bronze::ingest {
namespace {

using delta::StoreStatus;

constexpr Partition k_p0{0};
constexpr Partition k_p1{1};

/// Says what it is told to, and remembers what it was asked.
class ToldTable final : public SilentTable {
 public:
  delta::StoreOutcome load() override { return {loads, ""}; }
  [[nodiscard]] const delta::SnapshotView& snapshot() const override { return view; }
  delta::OffsetsWithin offsets_within(const RangeMap& ranges, UnixMicros since) override {
    asked = ranges;
    asked_since = since;
    return {{}, {{k_p0, {Offset{7}, Offset{9}}}, {k_p0, {Offset{5}, Offset{6}}}}};
  }
  [[nodiscard]] std::unique_ptr<delta::FileSink> open_file(const std::string& /*date*/) override {
    return nullptr;
  }

  StoreStatus loads = StoreStatus::kOk;
  delta::SnapshotView view;
  std::optional<RangeMap> asked;
  UnixMicros asked_since = 0;
};

const DeadLetterQuestion k_question{.progress = {{k_p0, Offset{4}}, {k_p1, Offset{8}}},
                                    .app_ids = {{k_p0, "a/0"}, {k_p1, "a/1"}},
                                    .since = 99};

TEST(DeadLetterFacts, AskOnlyForWhatTheMainTableLacks) {
  ToldTable table;
  table.view.txns = {{"a/0", 10}, {"a/1", 8}, {"other", 50}};
  const auto look = look_at_dead_letters(table, DeadLetterPolicy::kAlways, k_question);
  ASSERT_TRUE(look.facts);
  EXPECT_EQ(table.asked, (RangeMap{{k_p0, {Offset{4}, Offset{10}}}}));
  EXPECT_EQ(table.asked_since, 99);
  EXPECT_EQ(decided_before(look.facts, k_p0), Offset{10});
  EXPECT_EQ(decided_before(look.facts, k_p1), Offset{8});
  EXPECT_EQ(decided_before(look.facts, Partition{2}), std::nullopt);
  const Decided decided_of_0 = decided(look.facts, k_p0);
  std::string dead;
  for (std::int64_t i = 4; i < 10; ++i) dead += decided_of_0.is_dead(Offset{i}) ? 'x' : '.';
  EXPECT_EQ(dead, ".x.xx.");
}

TEST(DeadLetterFacts, NoRowsAreReadWhenNothingIsOpen) {
  ToldTable table;
  table.view.txns = {{"a/0", 4}, {"a/1", 3}};
  const auto look = look_at_dead_letters(table, DeadLetterPolicy::kAlways, k_question);
  EXPECT_TRUE(look.outcome.ok());
  EXPECT_FALSE(table.asked);
}

TEST(DeadLetterFacts, AMissingTableMattersOnlyWhereItIsWritten) {
  ToldTable table;
  table.loads = StoreStatus::kMissing;
  const auto off = look_at_dead_letters(table, DeadLetterPolicy::kNever, k_question);
  EXPECT_TRUE(off.outcome.ok());
  EXPECT_FALSE(off.facts);
  const auto on = look_at_dead_letters(table, DeadLetterPolicy::kWhenAny, k_question);
  EXPECT_EQ(on.outcome.status, StoreStatus::kMissing);
  table.loads = StoreStatus::kTransient;
  const auto unknown = look_at_dead_letters(table, DeadLetterPolicy::kNever, k_question);
  EXPECT_EQ(unknown.outcome.status, StoreStatus::kTransient);
}

TEST(Decided, RunsMayOverlapAndComeInAnyOrder) {
  const Decided some(Offset{10}, {{Offset{4}, Offset{5}},
                                  {Offset{1}, Offset{4}},
                                  {Offset{2}, Offset{3}},
                                  {Offset{8}, Offset{9}}});
  std::string dead;
  for (std::int64_t i = 0; i < 10; ++i) dead += some.is_dead(Offset{i}) ? 'x' : '.';
  EXPECT_EQ(dead, ".xxxx...x.");
  EXPECT_EQ(Decided().before(), Offset{0}) << "nothing";
}

// --- the shape ----------------------------------------------------------------------------------

delta::TableShape shape_of(const std::string& schema) {
  delta::TableShape shape;
  shape.schema_json = schema;
  return shape;
}

/// The schema with `change` made to its fields.
template <typename Change>
delta::TableShape changed(Change change) {
  auto schema = nlohmann::ordered_json::parse(batch::dead_letter_schema());
  change(schema["fields"]);
  return shape_of(schema.dump());
}

std::string refused(const delta::TableShape& shape) {
  return refusal_of_dead_letters(shape).value_or("");
}

TEST(DeadLetterShape, OursIsAccepted) {
  EXPECT_EQ(refused(shape_of(batch::dead_letter_schema())), "");
  EXPECT_FALSE(completed_dead_letter_schema(shape_of(batch::dead_letter_schema())));
}

TEST(DeadLetterShape, RequiredColumnsMayBeDeclaredOptional) {
  const auto loose = changed([](auto& fields) { fields[0]["nullable"] = true; });
  EXPECT_EQ(refused(loose), "");
  const auto strict = changed([](auto& fields) { fields[7]["nullable"] = false; });
  EXPECT_NE(refused(strict), "");
}

TEST(DeadLetterShape, TheLastFourMayBeAdded) {
  for (const std::size_t kept : {10U, 12U, 13U}) {
    const auto shape = changed([&](auto& fields) {
      while (fields.size() > kept) fields.erase(fields.size() - 1);
    });
    EXPECT_NE(refused(shape).find("it lacks the column"), std::string::npos) << kept;
    EXPECT_EQ(completed_dead_letter_schema(shape), batch::dead_letter_schema()) << kept;
  }
  const auto too_few = changed([](auto& fields) {
    while (fields.size() > 9) fields.erase(fields.size() - 1);
  });
  EXPECT_FALSE(completed_dead_letter_schema(too_few));
}

TEST(DeadLetterShape, TheirFieldsStayAsTheyAre) {
  const auto shape = changed([](auto& fields) {
    while (fields.size() > 10) fields.erase(fields.size() - 1);
    fields[0]["metadata"]["comment"] = "theirs";
  });
  const auto completed = completed_dead_letter_schema(shape);
  ASSERT_TRUE(completed);
  EXPECT_NE(completed->find(R"("comment":"theirs")"), std::string::npos);
}

TEST(DeadLetterShape, AnythingElseIsRefused) {
  EXPECT_NE(refused(shape_of("no JSON")), "");
  EXPECT_NE(refused(shape_of(batch::table_schema())).find("column 1 should be error_message"),
            std::string::npos);
  const auto more = changed([](auto& fields) {
    fields.push_back({{"name", "mine"}, {"type", "string"}, {"nullable", true}});
  });
  EXPECT_NE(refused(more).find("the additional column mine"), std::string::npos);
  auto partitioned = shape_of(batch::dead_letter_schema());
  partitioned.partition_columns = {"error_type"};
  EXPECT_NE(refused(partitioned).find("must not be partitioned"), std::string::npos);
  auto expiring = shape_of(batch::dead_letter_schema());
  expiring.configuration["delta.setTransactionRetentionDuration"] = "interval 1 day";
  EXPECT_NE(refused(expiring).find("expire"), std::string::npos);
}

}  // namespace
}  // namespace bronze::ingest
