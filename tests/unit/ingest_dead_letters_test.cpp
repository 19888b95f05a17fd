#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fakes/fake_validator.h"
#include "fakes/log_capture.h"
#include "ingest/app_id.h"
#include "unit/ingest_of_one_topic.h"

namespace bronze::ingest {
namespace {

using Kind = fakes::LogRecord::Kind;

class IngestDeadLetters : public IngestOfOneTopic {
 protected:
  void build(DeadLetterPolicy policy, decode::TextForm form = decode::TextForm::kAny,
             std::unique_ptr<decode::Validator> validator = nullptr) {
    settings_.writer.write_retry = 10s;
    settings_.writer.dead_letters = policy;
    settings_.decoder.form = form;
    begin(std::move(validator));
  }

  /// In the order of the commits.
  [[nodiscard]] std::vector<std::int64_t> offsets(const std::string& table) const {
    std::vector<std::int64_t> offsets;
    for (const auto& commit : store_.at(table).commits) {
      for (const auto& row : commit.rows) offsets.push_back(row.offset.value);
    }
    return offsets;
  }
  [[nodiscard]] std::optional<std::int64_t> progress(const std::string& table) const {
    const auto txns = store_.at(table).txns();
    const auto found = txns.find(partition_app_id("g", cluster_.topic("t").identity, k_p0));
    return found == txns.end() ? std::nullopt : std::optional(found->second);
  }
  void set_progress(const std::string& table, std::int64_t next,
                    std::vector<fakes::StoredRow> rows = {}) {
    fakes::StoredCommit commit{.txns = {}, .token = "set", .rows = std::move(rows)};
    commit.txns[partition_app_id("g", cluster_.topic("t").identity, k_p0)] = next;
    store_.at(table).commits.push_back(std::move(commit));
  }
  [[nodiscard]] std::int64_t kafka_offset() const {
    const auto found = cluster_.group_offsets.find({"t", k_p0});
    return found == cluster_.group_offsets.end() ? -1 : found->second.offset.value;
  }

  using Offsets = std::vector<std::int64_t>;
};

TEST_F(IngestDeadLetters, EachRecordIsInOneOfTheTables) {
  produce({Kind::kValue, Kind::kInvalidUtf8, Kind::kTombstone, Kind::kNoJson, Kind::kInvalidUtf8});
  build(DeadLetterPolicy::kWhenAny);
  pass(3s);
  EXPECT_EQ(offsets("t"), (Offsets{0, 2, 3}));
  EXPECT_EQ(offsets("dead"), (Offsets{1, 4}));
  EXPECT_EQ(progress("t"), 5);
  EXPECT_EQ(progress("dead"), 5);
  EXPECT_EQ(kafka_offset(), 5);
  EXPECT_EQ(report().rows_committed, 3U);
  EXPECT_EQ(report().dead_letters.count, 2U);
  EXPECT_EQ(report().dead_letters.by_type.at("ENCODING_ERROR"), 2U);
  EXPECT_NE(report().dead_letters.example.find("partition 0 offset 1: ENCODING_ERROR"),
            std::string::npos);
  EXPECT_EQ(halted(), "");
}

TEST_F(IngestDeadLetters, WithoutBadRecordsTheTableIsLeftAloneWhereBytesDecide) {
  produce({Kind::kValue, Kind::kNoJson});
  build(DeadLetterPolicy::kWhenAny);
  pass(3s);
  EXPECT_EQ(progress("t"), 2);
  EXPECT_EQ(store_.at("dead").commits.size(), 1U) << "created, no more";
}

TEST_F(IngestDeadLetters, WithChecksEveryBatchIsDecidedThereFirst) {
  produce({Kind::kValue, Kind::kValue});
  build(DeadLetterPolicy::kAlways, decode::TextForm::kJson);
  pass(3s);
  EXPECT_EQ(progress("dead"), 2);
  EXPECT_EQ(offsets("dead"), Offsets{});
  produce({Kind::kNoJson});
  pass(3s);
  EXPECT_EQ(offsets("t"), (Offsets{0, 1}));
  EXPECT_EQ(offsets("dead"), Offsets{2});
  EXPECT_EQ(report().dead_letters.by_type.at("JSON_PARSE_ERROR"), 1U);
}

TEST_F(IngestDeadLetters, NothingButBadRecordsIsWrittenInTime) {
  produce(std::vector<Kind>(10, Kind::kInvalidUtf8));
  build(DeadLetterPolicy::kWhenAny);
  pass(3s);
  EXPECT_EQ(offsets("dead").size(), 10U);
  EXPECT_EQ(offsets("t"), Offsets{});
  EXPECT_EQ(progress("t"), 10);
  EXPECT_TRUE(report().last_write.has_value());
}

TEST_F(IngestDeadLetters, TheyCountForTheSizeOfABatch) {
  settings_.writer.flush = {.interval = 1h, .max_bytes = 0, .max_rows = 4};
  produce({Kind::kInvalidUtf8, Kind::kValue, Kind::kInvalidUtf8, Kind::kValue});
  build(DeadLetterPolicy::kWhenAny);
  pass(2s);
  EXPECT_EQ(progress("t"), 4);
}

TEST_F(IngestDeadLetters, ABurstIsOneLineAndItsCommitsAreFoundByTheirToken) {
  fakes::LogCapture captured;
  produce(std::vector<Kind>(200, Kind::kInvalidUtf8));
  produce({Kind::kValue});
  build(DeadLetterPolicy::kWhenAny);
  pass(3s);
  const auto lines = captured.take();
  const auto of = [&](const std::string& event) {
    std::vector<fakes::LogCapture::Line> found;
    for (const auto& line : lines) {
      if (line.value("event", "") == event) found.push_back(line);
    }
    return found;
  };
  ASSERT_EQ(of("dead_letter").size(), 1U);
  EXPECT_EQ(of("dead_letter")[0]["offset"], 0);
  EXPECT_EQ(of("dead_letter")[0]["error_type"], "ENCODING_ERROR");
  ASSERT_EQ(of("dead_letter_commit").size(), 1U);
  EXPECT_EQ(of("dead_letter_commit")[0]["rows"], 200);
  EXPECT_EQ(of("dead_letter_commit")[0]["token"], store_.at("dead").commits.back().token);
  ASSERT_EQ(of("commit").size(), 1U);
  EXPECT_EQ(of("commit")[0]["rows"], 1);
  EXPECT_EQ(of("commit")[0]["token"], store_.at("t").commits.back().token);
  ASSERT_EQ(of("registered").size(), 1U);
  EXPECT_EQ(of("registered")[0]["token"], store_.at("t").commits.at(1).token);
  clock_.advance(EventLog::k_period);
  pass(100ms);
  const auto rest = captured.take("dead_letter");
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_EQ(rest[0]["suppressed"], 198) << "the loop tells it when the minute is over";
}

TEST_F(IngestDeadLetters, AnotherInstanceThatTookOverFences) {
  fakes::LogCapture captured;
  build(DeadLetterPolicy::kWhenAny);
  pass(3s);
  produce({Kind::kValue});
  set_progress("t", 1);
  pass(3s);
  const auto lines = captured.take("fenced");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0]["topic"], "t");
  EXPECT_EQ(lines[0]["reason"], "another writer wrote the same offsets");
}

TEST_F(IngestDeadLetters, WarningsOfKafkaThatAlternateAreOneLineAMinuteEach) {
  fakes::LogCapture captured;
  build(DeadLetterPolicy::kWhenAny);
  for (int i = 0; i < 30; ++i) {
    source_.push(kafka::SourceWarning{"_TRANSPORT: one is away", false, "_TRANSPORT"});
    source_.push(kafka::SourceWarning{"_TRANSPORT: two is away", false, "_TRANSPORT"});
    source_.push(kafka::SourceWarning{"_RESOLVE: no such host", false, "_RESOLVE"});
    pass(1s);
  }
  const auto lines = captured.take("kafka_warning");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["error_type"], "_TRANSPORT");
  EXPECT_EQ(lines[1]["error_type"], "_RESOLVE");
}

TEST_F(IngestDeadLetters, OffTheyStopThePartition) {
  produce({Kind::kValue, Kind::kInvalidUtf8, Kind::kValue});
  build(DeadLetterPolicy::kNever);
  pass(3s);
  EXPECT_EQ(offsets("t"), Offsets{0});
  EXPECT_NE(halted().find("offset 1 cannot be written (ENCODING_ERROR"), std::string::npos)
      << halted();
  EXPECT_NE(halted().find("DLQ_ENABLED"), std::string::npos);
  EXPECT_FALSE(store_.contains("dead"));
}

TEST_F(IngestDeadLetters, OffAFailedCheckStopsThePartition) {
  produce({Kind::kValue, Kind::kNoJson});
  build(DeadLetterPolicy::kNever, decode::TextForm::kJson);
  pass(3s);
  EXPECT_EQ(offsets("t"), Offsets{0});
  EXPECT_NE(halted().find("JSON_PARSE_ERROR"), std::string::npos) << halted();
}

/// What a process left that died between its two commits.
class AfterDeath : public IngestDeadLetters {
 protected:
  /// Registered, with nothing in the table, and offset 1 of the first four in the dead letters.
  void leave() {
    build(DeadLetterPolicy::kWhenAny);
    pass(3s);
    set_progress("dead", 4, {{k_p0, Offset{1}, "its value", 0, "", "JSON_PARSE_ERROR"}});
    source_.push(kafka::Revoked{{{"t", k_p0}}, false});
    pass(1s);
  }
};

TEST_F(AfterDeath, WhatWasDeadStaysDeadUnderLaxerRules) {
  leave();
  produce({Kind::kValue, Kind::kNoJson, Kind::kValue, Kind::kNoJson, Kind::kNoJson});
  build(DeadLetterPolicy::kWhenAny);
  pass(3s);
  EXPECT_EQ(offsets("t"), (Offsets{0, 2, 3, 4}));
  EXPECT_EQ(offsets("dead"), Offsets{1});
}

TEST_F(AfterDeath, WhatWasGoodStaysGoodUnderStricterRules) {
  leave();
  produce({Kind::kValue, Kind::kNoJson, Kind::kValue, Kind::kNoJson, Kind::kNoJson});
  build(DeadLetterPolicy::kAlways, decode::TextForm::kJson);
  pass(3s);
  EXPECT_EQ(offsets("t"), (Offsets{0, 2, 3}));
  EXPECT_EQ(offsets("dead"), (Offsets{1, 4}));
  EXPECT_EQ(progress("dead"), 5);
}

TEST_F(AfterDeath, AlsoWhenDeadLettersAreOff) {
  leave();
  produce({Kind::kValue, Kind::kNoJson, Kind::kValue, Kind::kNoJson});
  build(DeadLetterPolicy::kNever);
  pass(3s);
  EXPECT_EQ(offsets("t"), (Offsets{0, 2, 3}));
  EXPECT_EQ(offsets("dead"), Offsets{1});
  EXPECT_EQ(progress("t"), 4);
}

TEST_F(AfterDeath, AContradictionStopsThePartition) {
  leave();
  produce({Kind::kValue, Kind::kNoJson, Kind::kInvalidUtf8, Kind::kValue});
  build(DeadLetterPolicy::kWhenAny);
  pass(3s);
  EXPECT_EQ(offsets("t"), Offsets{0});
  EXPECT_NE(halted().find("dead-letter table says that it was good"), std::string::npos)
      << halted();
}

TEST_F(IngestDeadLetters, AWriteThatFailsHoldsOffsetsBackAndThenStopsTheService) {
  produce({Kind::kValue, Kind::kInvalidUtf8});
  dead_hooks_.put_fault = [] { return fakes::PutFault::kNothingLanded; };
  build(DeadLetterPolicy::kWhenAny);
  pass(8s);
  EXPECT_TRUE(alive_);
  EXPECT_EQ(progress("t"), 0) << "registered";
  EXPECT_EQ(kafka_offset(), -1);
  EXPECT_GT(report().failures, 0U);
  pass(60s);
  EXPECT_FALSE(alive_);
  EXPECT_EQ(ingest_->end(), IngestEnd::kFailed);
  EXPECT_EQ(progress("t"), 0);
  EXPECT_EQ(kafka_offset(), -1);
}

TEST_F(IngestDeadLetters, ATableOfAnotherShapeStopsTheTopic) {
  store_["dead"].id = "foreign";
  store_["dead"].commits.emplace_back();
  produce({Kind::kValue});
  build(DeadLetterPolicy::kWhenAny);
  pass(3s);
  EXPECT_NE(halted().find("the dead-letter table cannot be used"), std::string::npos) << halted();
  EXPECT_FALSE(progress("t").has_value());
}

TEST_F(IngestDeadLetters, AnOlderTableGetsTheColumnsThatItLacks) {
  std::string schema = batch::dead_letter_schema();
  schema = schema.substr(0, schema.find(R"(,{"name":"_original_bytes")")) + "]}";
  store_["dead"].id = "older";
  store_["dead"].schema_json = schema;
  store_["dead"].partition_columns.clear();
  store_["dead"].commits.emplace_back();
  produce({Kind::kInvalidUtf8});
  build(DeadLetterPolicy::kWhenAny);
  pass(3s);
  EXPECT_EQ(store_.at("dead").schema_json, batch::dead_letter_schema());
  EXPECT_EQ(offsets("dead"), Offsets{0});
  EXPECT_EQ(halted(), "");
}

TEST_F(IngestDeadLetters, ATableThatIsReplacedStopsTheTopic) {
  produce({Kind::kInvalidUtf8});
  build(DeadLetterPolicy::kWhenAny);
  pass(3s);
  store_["dead"].id = "another";
  source_.push(kafka::PartitionReset{"t", k_p0, "test"});
  pass(5s);
  EXPECT_NE(halted().find("the dead-letter table was replaced while in use"), std::string::npos)
      << halted();
}

// --- schemas that are fetched -------------------------------------------------------------------

TEST_F(IngestDeadLetters, APartitionWaitsForASchema) {
  bool answers = false;
  auto validator = std::make_unique<fakes::FakeValidator>(0, [&] { return answers; });
  const auto* seen = validator.get();
  produce(std::vector<Kind>(20, Kind::kValue));
  build(DeadLetterPolicy::kAlways, decode::TextForm::kJson, std::move(validator));
  pass(10s);
  EXPECT_LT(offsets("t").size() + offsets("dead").size(), 20U);
  EXPECT_GT(seen->fetches, 2) << "tried again";
  EXPECT_LT(seen->fetches, 50) << "with growing waits";
  EXPECT_NE(report().trouble.find("cannot be fetched from the registry: no answer"),
            std::string::npos)
      << report().trouble;
  EXPECT_EQ(halted(), "") << "never for good";
  answers = true;
  pass(30s);
  auto all = offsets("t");
  const auto dead = offsets("dead");
  EXPECT_FALSE(dead.empty());
  all.insert(all.end(), dead.begin(), dead.end());
  EXPECT_EQ(std::set<std::int64_t>(all.begin(), all.end()).size(), 20U);
  EXPECT_EQ(all.size(), 20U);
  EXPECT_EQ(report().trouble, "");
}

TEST_F(IngestDeadLetters, ManyDifferentSchemasAreFetchedManyAtATime) {
  auto validator = std::make_unique<fakes::FakeValidator>(
      0, [] { return true; }, 1'000'000);
  const auto* seen = validator.get();
  produce(std::vector<Kind>(2'000, Kind::kValue));
  build(DeadLetterPolicy::kAlways, decode::TextForm::kJson, std::move(validator));
  pass(60s);
  EXPECT_EQ(progress("t"), 2'000);
  EXPECT_GT(seen->fetched.size(), 1'900U);
  EXPECT_LT(seen->fetches, 30);
  EXPECT_LT(source_.started.size(), 30U) << "each begins a partition anew";
  auto all = offsets("t");
  const auto dead = offsets("dead");
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end()));
  EXPECT_TRUE(std::is_sorted(dead.begin(), dead.end()));
  all.insert(all.end(), dead.begin(), dead.end());
  EXPECT_EQ(all.size(), 2'000U);
  EXPECT_EQ(std::set<std::int64_t>(all.begin(), all.end()).size(), 2'000U);
}

TEST_F(IngestDeadLetters, BehindAGapReadingGoesOnWithTheRecordThatWaitedForItsSchema) {
  settings_.policies.data_loss = OnDataLoss::kSkip;
  produce(std::vector<Kind>(3, Kind::kValue));
  build(DeadLetterPolicy::kAlways, decode::TextForm::kJson);
  pass(5s);
  ASSERT_EQ(progress("t"), 3);
  produce(std::vector<Kind>(20, Kind::kValue));
  cluster_.delete_records("t", k_p0, 10);
  source_.started.clear();
  build(DeadLetterPolicy::kAlways, decode::TextForm::kJson,
        std::make_unique<fakes::FakeValidator>(0, [] { return true; }));
  pass(10s);
  EXPECT_EQ(progress("t"), 23);
  EXPECT_GT(source_.started.size(), 1U) << "a schema had to be waited for";
  for (const auto& start : source_.started) EXPECT_GE(start.offset.value, 10);
}

}  // namespace
}  // namespace bronze::ingest
