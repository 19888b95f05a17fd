#include "ingest/commit_attempt.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fakes/fake_clock.h"

namespace bronze::ingest {
namespace {

using delta::StoreOutcome;
using delta::StoreStatus;
using Calls = std::vector<std::string>;

/// A table that answers as the test wrote down, and writes down what it was asked.
class ScriptedTable final : public delta::TableSink {
 public:
  /// What the next load or refresh shows. Without one, it fails the test.
  struct Load {
    StoreOutcome outcome;
    delta::SnapshotView view;
  };

  StoreOutcome load() override { return next_load("load"); }
  StoreOutcome refresh() override { return next_load("refresh"); }
  StoreOutcome open() override { return next_load("open"); }
  StoreOutcome look() override { return next_load("look"); }
  StoreOutcome next_load(const char* how) {
    calls.emplace_back(how);
    Load load = take(loads);
    if (load.outcome.ok()) view = std::move(load.view);
    return load.outcome;
  }
  StoreOutcome create(const delta::TableSpec& /*spec*/) override {
    ADD_FAILURE() << "an attempt never creates";
    return {};
  }
  [[nodiscard]] const delta::SnapshotView& snapshot() const override { return view; }
  delta::Lookup has_data_files() override {
    ADD_FAILURE() << "an attempt never asks for data files";
    return {};
  }
  delta::LastOffsets last_offsets(const OffsetMap& /*from*/) override {
    ADD_FAILURE() << "an attempt never asks how far the rows go";
    return {};
  }
  delta::LastIngestion last_ingestion() override {
    ADD_FAILURE() << "an attempt never asks when rows were ingested";
    return {};
  }
  delta::Lookup log_entry_has_txn(std::uint64_t /*version*/,
                                  const std::string& /*prefix*/) override {
    ADD_FAILURE() << "an attempt never asks who wrote an entry";
    return {};
  }
  delta::Lookup find_token(const std::string& token, std::uint64_t after) override {
    calls.push_back("find " + token + " after " + std::to_string(after));
    return take(lookups);
  }
  StoreOutcome confirm() override {
    calls.push_back("confirm " + std::to_string(view.version));
    return take(entries);
  }
  delta::PutResult put(const delta::CommitRequest& request) override {
    calls.push_back("put " + std::to_string(view.version + 1));
    requests.push_back(request);
    delta::PutResult answer{take(puts), view.version + 1};
    if (answer.outcome.ok()) view.version = answer.version;
    return answer;
  }
  delta::OffsetsWithin offsets_within(const RangeMap& /*ranges*/, UnixMicros /*since*/) override {
    ADD_FAILURE() << "an attempt never looks at rows";
    return {};
  }
  StoreOutcome add_columns(const std::string& /*schema_json*/) override {
    ADD_FAILURE() << "an attempt never adds columns";
    return {};
  }
  StoreOutcome checkpoint() override {
    ADD_FAILURE() << "an attempt never writes a checkpoint";
    return {};
  }
  [[nodiscard]] std::unique_ptr<delta::FileSink> open_file(const std::string& /*date*/) override {
    ADD_FAILURE() << "an attempt never opens a file";
    return nullptr;
  }

  delta::SnapshotView view;
  std::deque<Load> loads;
  std::deque<StoreOutcome> entries;
  std::deque<StoreOutcome> puts;
  std::deque<delta::Lookup> lookups;
  std::vector<delta::CommitRequest> requests;
  Calls calls;

 private:
  template <typename T>
  static T take(std::deque<T>& answers) {
    if (answers.empty()) {
      ADD_FAILURE() << "a call that the test does not expect";
      return {};
    }
    T answer = std::move(answers.front());
    answers.pop_front();
    return answer;
  }
};

/// Only its address is of interest.
class OneFile final : public delta::FileSink {
 public:
  std::uint64_t append(batch::Columns /*columns*/) override { return 0; }
  std::uint64_t append(batch::DeadLetterColumns /*columns*/) override { return 0; }
  delta::FileResult finish() override { return {}; }
  StoreOutcome discard() override { return {}; }
};

delta::TableShape shape_of(const std::string& id) {
  delta::TableShape shape;
  shape.id = id;
  shape.schema_json = "{}";
  shape.partition_columns = {"_ingestion_date"};
  shape.min_reader_version = 1;
  shape.min_writer_version = 2;
  return shape;
}

delta::SnapshotView view_at(std::uint64_t version, delta::TxnMap txns) {
  return {.version = version, .shape = shape_of("table"), .txns = std::move(txns)};
}

const delta::TxnMap k_at_base = {{"p0", 10}, {"p1", 5}, {"other", 3}};
const delta::TxnMap k_at_next = {{"p0", 20}, {"p1", 7}, {"other", 3}};

/// A batch of p0 [10, 20) and p1 [5, 7), of which nothing has been tried.
class CommitAttempt : public testing::Test {
 protected:
  CommitAttempt() {
    table_.view = view_at(4, k_at_base);
    task_.steps = {{"p0", 10, 20}, {"p1", 5, 7}};
    task_.token = "token";
    task_.parameters = {{"bronzeRows", "12"}};
    task_.shape = shape_of("table");
    task_.expires_at = clock_.now() + std::chrono::minutes(30);
  }

  /// One attempt; what it remembers goes into the next.
  CommitResult attempt() {
    table_.calls.clear();
    CommitResult result = attempt_commit(table_, task_, clock_);
    task_.memory = result.memory;
    return result;
  }

  /// A first attempt of which the PUT was answered so.
  CommitResult attempt_answered(StoreStatus status) {
    table_.entries.emplace_back();
    table_.puts.push_back({status, "the answer"});
    return attempt();
  }

  /// How the attempt after such an answer begins.
  static const char* look_after(StoreStatus status) {
    return status == StoreStatus::kConflict ? "refresh" : "load";
  }

  ScriptedTable table_;
  CommitTask task_;
  fakes::FakeClock clock_;
};

TEST_F(CommitAttempt, LandsOnTheFirstPut) {
  table_.entries.emplace_back();
  table_.puts.emplace_back();
  const CommitResult result = attempt();
  EXPECT_EQ(result.status, CommitStatus::kDone);
  EXPECT_EQ(result.version, 5U);
  EXPECT_EQ(table_.calls, (Calls{"confirm 4", "put 5"}));
}

TEST_F(CommitAttempt, PutsTheNextOffsetsTheTokenTheParametersAndTheFiles) {
  const OneFile file;
  task_.files = {&file};
  table_.entries.emplace_back();
  table_.puts.emplace_back();
  EXPECT_EQ(attempt().status, CommitStatus::kDone);
  ASSERT_EQ(table_.requests.size(), 1U);
  const delta::CommitRequest& request = table_.requests.front();
  EXPECT_EQ(request.txns, (delta::TxnMap{{"p0", 20}, {"p1", 7}}));
  EXPECT_EQ(request.parameters,
            (std::map<std::string, std::string>{{"bronzeRows", "12"}, {"bronzeToken", "token"}}));
  EXPECT_EQ(request.files, task_.files);
}

TEST_F(CommitAttempt, AbsentTxnsAreABaseToo) {
  task_.steps = {{"registry", std::nullopt, 77}};
  table_.entries.emplace_back();
  table_.puts.emplace_back();
  EXPECT_EQ(attempt().status, CommitStatus::kDone);
  EXPECT_EQ(table_.requests.front().txns, (delta::TxnMap{{"registry", 77}}));
}

TEST_F(CommitAttempt, ThatFollowsOneSnapshotOnlyIsNotPutAfterAnother) {
  task_.follows = 4;
  table_.entries.push_back({StoreStatus::kMissing, "cleaned up"});
  table_.loads.push_back({{}, view_at(9, k_at_base)});
  EXPECT_EQ(attempt().status, CommitStatus::kRewind);
  EXPECT_EQ(table_.calls, (Calls{"confirm 4", "load"}));

  table_.view = view_at(4, k_at_base);
  table_.entries.emplace_back();
  table_.puts.emplace_back();
  EXPECT_EQ(attempt().status, CommitStatus::kDone);
}

TEST_F(CommitAttempt, AfterAConflictThatWasNotOursPutsOnAFreshSnapshot) {
  const CommitResult first = attempt_answered(StoreStatus::kConflict);
  EXPECT_EQ(first.status, CommitStatus::kRetry);
  EXPECT_EQ(first.memory.look, Look::kRefresh);
  EXPECT_EQ(first.memory.first_version, 4U);

  table_.loads.push_back({{}, view_at(9, k_at_base)});
  table_.puts.emplace_back();
  const CommitResult second = attempt();
  EXPECT_EQ(second.status, CommitStatus::kDone);
  EXPECT_EQ(second.version, 10U);
  EXPECT_EQ(table_.calls, (Calls{"refresh", "put 10"}));
}

TEST_F(CommitAttempt, PutsTheSameVersionAgainWhenItIsStillFree) {
  for (const StoreStatus status : {StoreStatus::kConflict, StoreStatus::kTransient}) {
    SCOPED_TRACE(static_cast<int>(status));
    table_.view = view_at(4, k_at_base);
    task_.memory = {};
    EXPECT_EQ(attempt_answered(status).status, CommitStatus::kRetry);
    EXPECT_EQ(table_.calls, (Calls{"confirm 4", "put 5"}));

    table_.loads.push_back({{}, view_at(4, k_at_base)});
    table_.puts.emplace_back();
    EXPECT_EQ(attempt().status, CommitStatus::kDone);
    EXPECT_EQ(table_.calls, (Calls{look_after(status), "put 5"}));
    EXPECT_EQ(table_.requests.front().parameters, table_.requests.back().parameters);
  }
}

TEST_F(CommitAttempt, RecognisesItsOwnCommitOfWhichTheAnswerWasLost) {
  for (const StoreStatus status :
       {StoreStatus::kTransient, StoreStatus::kConflict, StoreStatus::kCorrupt,
        StoreStatus::kDenied, StoreStatus::kFailed, StoreStatus::kUnsupported,
        StoreStatus::kMissing}) {
    SCOPED_TRACE(static_cast<int>(status));
    table_.view = view_at(4, k_at_base);
    task_.memory = {};
    EXPECT_EQ(attempt_answered(status).status, CommitStatus::kRetry);

    table_.loads.push_back({{}, view_at(7, k_at_next)});
    table_.lookups.push_back({{}, true, 5});
    const CommitResult second = attempt();
    EXPECT_EQ(second.status, CommitStatus::kDone);
    EXPECT_EQ(second.version, 5U);
    EXPECT_EQ(table_.calls, (Calls{look_after(status), "find token after 4"}));
  }
}

TEST_F(CommitAttempt, SearchesForTheTokenSinceTheFirstAttempt) {
  EXPECT_EQ(attempt_answered(StoreStatus::kConflict).status, CommitStatus::kRetry);
  table_.loads.push_back({{}, view_at(6, k_at_base)});
  table_.puts.push_back({StoreStatus::kTransient, "lost"});
  EXPECT_EQ(attempt().status, CommitStatus::kRetry);
  EXPECT_EQ(table_.calls, (Calls{"refresh", "put 7"}));

  // The first PUT arrived late after all.
  table_.loads.push_back({{}, view_at(8, k_at_next)});
  table_.lookups.push_back({{}, true, 5});
  const CommitResult third = attempt();
  EXPECT_EQ(third.status, CommitStatus::kDone);
  EXPECT_EQ(table_.calls, (Calls{"load", "find token after 4"}));
}

TEST_F(CommitAttempt, SomebodyElseWroteTheSameRange) {
  EXPECT_EQ(attempt_answered(StoreStatus::kConflict).status, CommitStatus::kRetry);
  table_.loads.push_back({{}, view_at(5, k_at_next)});
  table_.lookups.emplace_back();
  const CommitResult second = attempt();
  EXPECT_EQ(second.status, CommitStatus::kRewind);
  EXPECT_TRUE(second.foreign);
}

TEST_F(CommitAttempt, ARangeThatSomebodyWroteBeforeTheFirstAttemptIsNotPut) {
  table_.view = view_at(6, k_at_next);
  table_.lookups.emplace_back();
  const CommitResult result = attempt();
  EXPECT_EQ(result.status, CommitStatus::kRewind);
  EXPECT_TRUE(result.foreign);
  EXPECT_EQ(table_.calls, (Calls{"find token after 6"}));
}

TEST_F(CommitAttempt, TxnsThatSomebodyMovedMeanRewind) {
  const std::vector<delta::TxnMap> moved = {
      {{"p0", 20}, {"p1", 5}}, {{"p0", 15}, {"p1", 5}}, {{"p0", 10}}, {}, {{"p0", 30}, {"p1", 9}}};
  for (const auto& txns : moved) {
    SCOPED_TRACE(testing::PrintToString(txns));
    table_.view = view_at(4, k_at_base);
    task_.memory = {};
    EXPECT_EQ(attempt_answered(StoreStatus::kConflict).status, CommitStatus::kRetry);
    table_.loads.push_back({{}, view_at(5, txns)});
    const CommitResult second = attempt();
    EXPECT_EQ(second.status, CommitStatus::kRewind);
    EXPECT_TRUE(second.foreign);
    EXPECT_EQ(table_.calls, (Calls{"refresh"}));
  }
}

TEST_F(CommitAttempt, AssumesNothingWhileTheTableCannotBeRead) {
  EXPECT_EQ(attempt_answered(StoreStatus::kTransient).status, CommitStatus::kRetry);
  for (const StoreStatus status : {StoreStatus::kTransient, StoreStatus::kDenied,
                                   StoreStatus::kCorrupt, StoreStatus::kMissing}) {
    table_.loads.push_back({{status, "no"}, {}});
    const CommitResult result = attempt();
    EXPECT_EQ(result.status, CommitStatus::kRetry);
    EXPECT_EQ(result.memory.look, Look::kLoad);
    EXPECT_EQ(result.memory.first_version, 4U);
    EXPECT_EQ(table_.calls, (Calls{"load"}));
  }
  table_.loads.push_back({{}, view_at(5, k_at_next)});
  table_.lookups.push_back({{}, true, 5});
  EXPECT_EQ(attempt().status, CommitStatus::kDone);
}

TEST_F(CommitAttempt, ARefreshThatFailedIsFollowedByALoad) {
  EXPECT_EQ(attempt_answered(StoreStatus::kConflict).status, CommitStatus::kRetry);
  table_.loads.push_back({{StoreStatus::kTransient, "no"}, {}});
  EXPECT_EQ(attempt().status, CommitStatus::kRetry);
  EXPECT_EQ(table_.calls, (Calls{"refresh"}));
  table_.loads.push_back({{}, view_at(9, k_at_base)});
  table_.puts.emplace_back();
  EXPECT_EQ(attempt().status, CommitStatus::kDone);
  EXPECT_EQ(table_.calls, (Calls{"load", "put 10"}));
}

TEST_F(CommitAttempt, AssumesNothingWhileTheLogCannotBeSearched) {
  EXPECT_EQ(attempt_answered(StoreStatus::kTransient).status, CommitStatus::kRetry);
  table_.loads.push_back({{}, view_at(5, k_at_next)});
  table_.lookups.push_back({{StoreStatus::kTransient, "no"}, false, 0});
  const CommitResult second = attempt();
  EXPECT_EQ(second.status, CommitStatus::kRetry);
  EXPECT_FALSE(second.foreign);
  EXPECT_EQ(second.memory.look, Look::kLoad);
  EXPECT_EQ(second.memory.first_version, 4U);
}

TEST_F(CommitAttempt, APermanentErrorIsFatalOnlyOnceItIsSeenNotToHaveLanded) {
  for (const StoreStatus status : {StoreStatus::kDenied, StoreStatus::kUnsupported,
                                   StoreStatus::kFailed, StoreStatus::kMissing}) {
    SCOPED_TRACE(static_cast<int>(status));
    table_.view = view_at(4, k_at_base);
    task_.memory = {};
    EXPECT_EQ(attempt_answered(status).status, CommitStatus::kRetry);
    table_.loads.push_back({{}, view_at(4, k_at_base)});
    const CommitResult second = attempt();
    EXPECT_EQ(second.status, CommitStatus::kFatal);
    EXPECT_EQ(second.message, "the answer");
    EXPECT_EQ(table_.calls, (Calls{"load"}));
  }
}

TEST_F(CommitAttempt, AfterAPermanentErrorTxnsThatMovedMeanRewindAllTheSame) {
  EXPECT_EQ(attempt_answered(StoreStatus::kDenied).status, CommitStatus::kRetry);
  table_.loads.push_back({{}, view_at(5, {{"p0", 12}, {"p1", 5}})});
  EXPECT_EQ(attempt().status, CommitStatus::kRewind);
}

TEST_F(CommitAttempt, OnlyTheLastErrorCounts) {
  EXPECT_EQ(attempt_answered(StoreStatus::kTransient).status, CommitStatus::kRetry);
  table_.loads.push_back({{}, view_at(4, k_at_base)});
  table_.puts.push_back({StoreStatus::kDenied, "denied"});
  EXPECT_EQ(attempt().status, CommitStatus::kRetry);
  table_.loads.push_back({{}, view_at(4, k_at_base)});
  EXPECT_EQ(attempt().status, CommitStatus::kFatal);
}

TEST_F(CommitAttempt, MetadataThatChangedMeansRewind) {
  const std::vector<std::pair<std::string, void (*)(delta::TableShape&)>> changes = {
      {"id", [](delta::TableShape& shape) { shape.id = "another"; }},
      {"schema", [](delta::TableShape& shape) { shape.schema_json = "{ }"; }},
      {"partition columns", [](delta::TableShape& shape) { shape.partition_columns.clear(); }},
      {"configuration", [](delta::TableShape& shape) { shape.configuration["a"] = "b"; }},
      {"reader version", [](delta::TableShape& shape) { shape.min_reader_version = 3; }},
      {"writer version", [](delta::TableShape& shape) { shape.min_writer_version = 7; }},
      {"reader features", [](delta::TableShape& shape) { shape.reader_features = {"x"}; }},
      {"writer features", [](delta::TableShape& shape) { shape.writer_features = {"x"}; }},
  };
  for (const auto& [name, change] : changes) {
    SCOPED_TRACE(name);
    task_.memory = {};
    table_.view = view_at(4, k_at_base);
    change(table_.view.shape);
    table_.entries.emplace_back();
    const CommitResult result = attempt();
    EXPECT_EQ(result.status, CommitStatus::kRewind);
    EXPECT_FALSE(result.foreign);
    EXPECT_EQ(table_.calls, (Calls{"confirm 4"}));
  }
}

TEST_F(CommitAttempt, FilesThatAreTooOldMeanRewind) {
  clock_.advance(std::chrono::minutes(30));
  table_.entries.emplace_back();
  const CommitResult result = attempt();
  EXPECT_EQ(result.status, CommitStatus::kRewind);
  EXPECT_FALSE(result.foreign);
  EXPECT_EQ(table_.calls, (Calls{"confirm 4"}));
}

TEST_F(CommitAttempt, FilesThatAreJustYoungEnoughArePut) {
  clock_.advance(std::chrono::minutes(30) - std::chrono::nanoseconds(1));
  EXPECT_EQ(attempt_answered(StoreStatus::kOk).status, CommitStatus::kDone);
}

TEST_F(CommitAttempt, WithoutFilesNothingGetsTooOld) {
  task_.expires_at.reset();
  clock_.advance(std::chrono::hours(1000));
  EXPECT_EQ(attempt_answered(StoreStatus::kOk).status, CommitStatus::kDone);
}

TEST_F(CommitAttempt, OldFilesThatHaveLandedAreDone) {
  EXPECT_EQ(attempt_answered(StoreStatus::kTransient).status, CommitStatus::kRetry);
  clock_.advance(std::chrono::hours(1));
  table_.loads.push_back({{}, view_at(5, k_at_next)});
  table_.lookups.push_back({{}, true, 5});
  EXPECT_EQ(attempt().status, CommitStatus::kDone);
}

TEST_F(CommitAttempt, NeverPutsOnACachedSnapshotOfWhichTheLogEntryIsGone) {
  table_.entries.push_back({StoreStatus::kMissing, "gone"});
  table_.loads.push_back({{StoreStatus::kMissing, "no table"}, {}});
  const CommitResult result = attempt();
  EXPECT_EQ(result.status, CommitStatus::kRetry);
  EXPECT_EQ(result.memory.look, Look::kLoad);
  EXPECT_EQ(table_.calls, (Calls{"confirm 4", "load"}));
}

TEST_F(CommitAttempt, LogEntryCleanedUpPutsOnTheFreshSnapshot) {
  table_.entries.push_back({StoreStatus::kMissing, "gone"});
  table_.loads.push_back({{}, view_at(30, k_at_base)});
  table_.puts.emplace_back();
  const CommitResult result = attempt();
  EXPECT_EQ(result.status, CommitStatus::kDone);
  EXPECT_EQ(result.version, 31U);
  EXPECT_EQ(table_.calls, (Calls{"confirm 4", "load", "put 31"}));
}

TEST_F(CommitAttempt, TableThatWasCreatedAnewMeansRewind) {
  table_.entries.push_back({StoreStatus::kMissing, "gone"});
  table_.loads.push_back({{}, view_at(0, {})});
  EXPECT_EQ(attempt().status, CommitStatus::kRewind);
  EXPECT_EQ(table_.calls, (Calls{"confirm 4", "load"}));
}

TEST_F(CommitAttempt, TableThatWasCreatedAnewBeforeItsFirstCommitMeansRewind) {
  task_.steps = {{"registry", std::nullopt, 77}};
  table_.view = view_at(0, {});
  table_.entries.push_back({StoreStatus::kMissing, "gone"});
  table_.loads.push_back({{}, view_at(0, {})});
  table_.loads.back().view.shape.id = "another";
  EXPECT_EQ(attempt().status, CommitStatus::kRewind);
}

TEST_F(CommitAttempt, ALogEntryThatCannotBeLookedForIsNotTakenAsThere) {
  for (const StoreStatus status : {StoreStatus::kTransient, StoreStatus::kDenied}) {
    task_.memory = {};
    table_.entries.push_back({status, "no"});
    EXPECT_EQ(attempt().status, CommitStatus::kRetry);
    EXPECT_EQ(table_.calls, (Calls{"confirm 4"}));
  }
}

TEST(IsPermanent, EveryStatus) {
  EXPECT_FALSE(is_permanent(StoreStatus::kOk));
  EXPECT_FALSE(is_permanent(StoreStatus::kConflict));
  EXPECT_FALSE(is_permanent(StoreStatus::kTransient));
  EXPECT_FALSE(is_permanent(StoreStatus::kCorrupt));
  EXPECT_TRUE(is_permanent(StoreStatus::kMissing));
  EXPECT_TRUE(is_permanent(StoreStatus::kDenied));
  EXPECT_TRUE(is_permanent(StoreStatus::kUnsupported));
  EXPECT_TRUE(is_permanent(StoreStatus::kFailed));
}

}  // namespace
}  // namespace bronze::ingest
