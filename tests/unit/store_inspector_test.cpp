#include "commands/store_inspector.h"

#include <gtest/gtest.h>

#include <future>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "fakes/fake_table.h"
#include "ingest/app_id.h"

namespace bronze::commands {
namespace {

using delta::StoreStatus;

SteadyTime far_away() { return std::chrono::steady_clock::now() + std::chrono::minutes(1); }

/// A store of fake tables; nothing is ever written by the inspector.
class StoreInspectorTest : public testing::Test {
 protected:
  StoreAccess access() {
    return {.probe = [] { return delta::StoreOutcome{}; },
            .table = [this](const std::string& directory) -> std::unique_ptr<delta::TableSink> {
              return std::make_unique<fakes::FakeTable>(stored_, directory, fakes::StoreHooks{}, 0);
            }};
  }

  std::map<std::string, fakes::StoredTable> stored_;
};

TEST_F(StoreInspectorTest, TellsOfEveryTableInTheOrderOfTheTopics) {
  auto& known = stored_["bronze_b"];
  known.id = "id-b";
  known.commits.resize(3);
  known.commits[2].txns[ingest::registry_app_id("group", "b")] = 4711;
  std::vector<std::string> topics{"a", "b"};
  for (int i = 0; i < 30; ++i) topics.push_back("t" + std::to_string(i));

  StoreInspector inspector(access(), "group");
  inspector.look_at({topics.begin(), topics.begin() + 1});
  EXPECT_EQ(inspector.wait_until(far_away()).tables.size(), 1U);
  inspector.look_at({topics.begin() + 1, topics.end()});
  const StoreLook look = inspector.wait_until(far_away());

  ASSERT_TRUE(look.probe.has_value());
  EXPECT_TRUE(look.probe->ok());
  ASSERT_EQ(look.tables.size(), topics.size());
  ASSERT_TRUE(look.tables[0].loaded.has_value());
  EXPECT_EQ(look.tables[0].loaded->status, StoreStatus::kMissing);
  ASSERT_TRUE(look.tables[1].loaded.has_value());
  EXPECT_TRUE(look.tables[1].loaded->ok());
  EXPECT_EQ(look.tables[1].view.version, 2U);
  EXPECT_EQ(look.tables[1].view.shape.id, "id-b");
  EXPECT_EQ(stored_.size(), 1U) << "no table was created";
}

TEST_F(StoreInspectorTest, LooksAtRowsThatOthersMayHaveWrittenSince) {
  auto& table = stored_["bronze_a"];
  const TopicIdentity topic{"uuid", 4711};
  table.commits.resize(2);
  table.commits[1].txns = {{ingest::registry_app_id("group", "a"), topic.number},
                           {ingest::partition_app_id("group", topic, Partition{0}), 1}};
  table.commits[1].rows = {{Partition{0}, Offset{0}, std::nullopt, 0, ""}};
  const auto look = [&] {
    StoreInspector inspector(access(), "group");
    inspector.look_at({"a"});
    return inspector.wait_until(far_away()).tables[0];
  };
  EXPECT_TRUE(look().last_offsets.empty());
  table.commits.emplace_back().rows = {{Partition{0}, Offset{7}, std::nullopt, 0, ""}};
  EXPECT_EQ(look().last_offsets, (OffsetMap{{Partition{0}, Offset{7}}}));
  EXPECT_FALSE(look().has_data_files) << "the table knows the topic";
}

TEST_F(StoreInspectorTest, WaitsNoLongerThanTheDeadline) {
  std::promise<void> answer;
  StoreAccess slow = access();
  slow.probe = [until = answer.get_future().share()] {
    until.wait();
    return delta::StoreOutcome{};
  };
  StoreInspector inspector(slow, "group");
  EXPECT_FALSE(inspector.wait_until(std::chrono::steady_clock::now()).probe.has_value());
  answer.set_value();
  EXPECT_TRUE(inspector.wait_until(far_away()).probe.has_value());
}

TEST_F(StoreInspectorTest, TakesAnExceptionAsAFailureOfThatCall) {
  StoreAccess broken = access();
  broken.table = [](const std::string&) -> std::unique_ptr<delta::TableSink> {
    throw std::runtime_error("a bug");
  };
  StoreInspector inspector(broken, "group");
  inspector.look_at({"a"});
  const StoreLook look = inspector.wait_until(far_away());
  ASSERT_TRUE(look.tables[0].loaded.has_value());
  EXPECT_EQ(look.tables[0].loaded->status, StoreStatus::kFailed);
  EXPECT_EQ(look.tables[0].loaded->message, "a bug");
}

}  // namespace
}  // namespace bronze::commands
