#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include "batch/schema.h"
#include "delta/delta_store.h"
#include "delta/table_states.h"

namespace bronze::delta {
namespace {

/// Keeps states in memory; the test may change them.
class FakeStates final : public TableStates {
 public:
  std::optional<std::string> find(const std::string& table) override {
    const auto found = texts.find(table);
    return found == texts.end() ? std::nullopt : std::optional(found->second);
  }
  void keep(const std::string& table, std::string state) override {
    texts[table] = std::move(state);
  }
  void count(StateUse use) override { ++(use == StateUse::kHit ? hits : misses); }

  std::map<std::string, std::string> texts;
  int hits = 0;
  int misses = 0;
};

class KeptStatesTest : public testing::Test {
 protected:
  KeptStatesTest()
      : folder_(std::filesystem::temp_directory_path() /
                ("bronze-kept-states-" + std::to_string(::getpid()) + "-" +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {}
  ~KeptStatesTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string base() const { return "file://" + folder_.string(); }
  [[nodiscard]] DeltaStore store(TableStates* states) const {
    return DeltaStore({.base_uri = base(),
                       .options = {},
                       .engine_info = "bronze/test",
                       .connect_timeout = std::chrono::seconds(1),
                       .request_timeout = std::chrono::seconds(5)},
                      states);
  }

  std::unique_ptr<TableSink> created(const DeltaStore& store) {
    auto table = store.table("bronze_t");
    EXPECT_TRUE(table
                    ->create({.schema_json = batch::table_schema(),
                              .partition_columns = {batch::k_partition_column},
                              .configuration = {}})
                    .ok());
    return table;
  }

  static void move_to(TableSink& table, std::int64_t next) {
    const auto put = table.put(
        {.txns = {{"bronze/g/u/0", next}}, .parameters = {{"bronzeToken", "t"}}, .files = {}});
    ASSERT_TRUE(put.outcome.ok()) << put.outcome.message;
  }

  [[nodiscard]] std::string entry(int version) const {
    std::ostringstream name;
    name.width(20);
    name.fill('0');
    name << version;
    std::ifstream file(folder_ / "bronze_t" / "_delta_log" / (name.str() + ".json"));
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string& text() { return states_.texts.at("bronze:state:" + base() + "/bronze_t"); }

  const std::filesystem::path folder_;
  FakeStates states_;
};

TEST_F(KeptStatesTest, AStartFindsTheLastCommit) {
  const auto store = this->store(&states_);
  const auto table = created(store);
  EXPECT_NE(text(), "") << "of the new table";
  move_to(*table, 7);
  move_to(*table, 9);
  EXPECT_NE(entry(2).find("bronzeState"), std::string::npos);

  const auto started = store.table("bronze_t");
  ASSERT_TRUE(started->open().ok());
  EXPECT_EQ(states_.hits, 1);
  EXPECT_EQ(started->snapshot().version, 2U);
  EXPECT_EQ(started->snapshot().txns, (TxnMap{{"bronze/g/u/0", 9}}));
  EXPECT_EQ(started->snapshot().shape, table->snapshot().shape);
  ASSERT_TRUE(started->look().ok());
  EXPECT_EQ(states_.hits, 2);
  EXPECT_EQ(states_.misses, 0);
  move_to(*started, 11);
  EXPECT_EQ(started->snapshot().version, 3U);
}

TEST_F(KeptStatesTest, ALookSeesWhatCameAfterAnOldState) {
  const auto store = this->store(&states_);
  const auto table = created(store);
  move_to(*table, 7);
  const auto old = text();
  move_to(*table, 9);
  // One that keeps nothing.
  const auto other = this->store(nullptr).table("bronze_t");
  ASSERT_TRUE(other->load().ok());
  move_to(*other, 11);
  text() = old;

  const auto started = store.table("bronze_t");
  ASSERT_TRUE(started->open().ok());
  EXPECT_EQ(started->snapshot().version, 1U);
  ASSERT_TRUE(started->look().ok());
  EXPECT_EQ(started->snapshot().version, 3U);
  EXPECT_EQ(started->snapshot().txns.at("bronze/g/u/0"), 11);
}

TEST_F(KeptStatesTest, AHandleThatFellBehindGoesOnFromWhatAnotherKept) {
  const auto store = this->store(&states_);
  const auto behind = created(store);
  const auto ahead = store.table("bronze_t");
  ASSERT_TRUE(ahead->look().ok());
  for (int i = 1; i <= 50; ++i) move_to(*ahead, i);
  ASSERT_TRUE(behind->look().ok());
  EXPECT_EQ(behind->snapshot().version, 50U);
  EXPECT_EQ(states_.misses, 0);
}

TEST_F(KeptStatesTest, ALieIsReplacedByTheTruth) {
  const auto store = this->store(&states_);
  const auto table = created(store);
  move_to(*table, 7);
  const auto truth = text();
  auto& told = text();
  told.replace(told.find(":7"), 2, ":8");
  for (const bool opens : {true, false}) {
    const auto started = store.table("bronze_t");
    ASSERT_TRUE((opens ? started->open() : started->look()).ok());
    EXPECT_EQ(started->snapshot().txns.at("bronze/g/u/0"), 7);
    EXPECT_EQ(text(), truth);
    told.replace(told.find(":7"), 2, ":8");
  }
  EXPECT_EQ(states_.misses, 2);
}

TEST_F(KeptStatesTest, WithoutAKeeperNothingOfItIsWritten) {
  const auto table = created(store(nullptr));
  move_to(*table, 7);
  for (const int version : {0, 1}) {
    EXPECT_NE(entry(version), "");
    EXPECT_EQ(entry(version).find("bronzeState"), std::string::npos);
  }
  ASSERT_TRUE(table->open().ok());
  ASSERT_TRUE(table->look().ok());
}

TEST_F(KeptStatesTest, ATableThatIsGoneIsMissing) {
  const auto store = this->store(&states_);
  move_to(*created(store), 7);
  std::filesystem::remove_all(folder_ / "bronze_t");
  EXPECT_EQ(store.table("bronze_t")->open().status, StoreStatus::kMissing);
  EXPECT_EQ(store.table("bronze_t")->look().status, StoreStatus::kMissing);
}

}  // namespace
}  // namespace bronze::delta
