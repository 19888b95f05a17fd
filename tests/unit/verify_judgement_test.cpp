#include "commands/verify_judgement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "commands/verify_log.h"
#include "commands/verify_output.h"
#include "commands/verify_reading.h"
#include "ingest/app_id.h"
#include "ingest/resolve.h"

namespace bronze::commands {
namespace {

using delta::StoreStatus;

constexpr Partition k_p0{0};
const TopicIdentity k_topic{"topic-uuid-AAAAAAAAAAA", 4711};
const TopicIdentity k_old_topic{"topic-uuid-BBBBBBBBBBB", 4710};

OffsetRange range(std::int64_t first, std::int64_t next) { return {Offset{first}, Offset{next}}; }

std::string txn_of(const TopicIdentity& topic = k_topic) {
  return ingest::partition_app_id("group", topic, k_p0);
}

delta::LogEntry entry(std::uint64_t version, std::map<std::string, std::string> parameters,
                      delta::TxnMap txns) {
  parameters["bronzeToken"] = "token";
  return {.version = version,
          .outcome = {},
          .operation = "STREAMING UPDATE",
          .timestamp_ms = 0,
          .parameters = std::move(parameters),
          .txns = std::move(txns),
          .files_added = 1,
          .files_removed = 0};
}

delta::LogEntry registration(std::int64_t begin) {
  return entry(1, {{"bronzeRegisters", k_topic.text}}, {{txn_of(), begin}});
}

delta::LogEntry commit(std::uint64_t version, std::int64_t first, std::int64_t next,
                       std::int64_t rows) {
  return entry(
      version,
      {{"bronzeOffsets", "{\"0\":[" + std::to_string(first) + "," + std::to_string(next) + "]}"},
       {"bronzeRows", std::to_string(rows)}},
      {{txn_of(), next}});
}

/// Topic `trips` of one partition that begins at 100 in Kafka and ends at 200. The table has read
/// up to 150 and has no rows yet.
TopicFacts facts_at_150() {
  TopicFacts facts;
  facts.topic = "trips";
  facts.group = "group";
  facts.table.directory = "bronze_trips";
  facts.table.id = "table-id";
  facts.dead_letters.directory = "dlq_bronze_trips";
  facts.dead_letters.loaded.status = StoreStatus::kMissing;
  read_txns({{ingest::registry_app_id("group", "trips"), k_topic.number}, {txn_of(), 150}}, facts);
  facts.kafka.topic = "trips";
  facts.kafka.identity = k_topic;
  facts.kafka.partitions = {k_p0};
  facts.kafka.earliest = {{k_p0, Offset{100}}};
  facts.kafka.latest = {{k_p0, Offset{200}}};
  return facts;
}

PartitionFacts& partition(TopicFacts& facts) { return facts.epochs.back().partitions[k_p0]; }

void add_rows(TopicFacts& facts, std::int64_t first, std::int64_t next) {
  PartitionFacts& of = partition(facts);
  of.rows.add(range(first, next), &of.repeated);
  of.row_count += static_cast<std::uint64_t>(next - first);
}

/// Registered at 0, and [0, 150) is there, written by one commit.
TopicFacts clean() {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 0, 150);
  take_log_entry(registration(0), facts);
  take_log_entry(commit(2, 0, 150, 150), facts);
  return facts;
}

std::set<std::string> codes(const VerifiedTopic& report, Level level) {
  std::set<std::string> found;
  for (const auto& finding : report.findings) {
    if (finding.level == level) found.insert(finding.code);
  }
  return found;
}

int exit_code_of(const VerifiedTopic& topic) { return exit_code(VerifyReport{{}, {topic}}); }

const VerifiedPartition& row(const VerifiedTopic& report) {
  return report.epochs.back().partitions.at(0);
}

using Codes = std::set<std::string>;

TEST(VerifyJudgementTest, ACompleteTableIsClean) {
  const auto report = judge(clean());
  EXPECT_EQ(exit_code_of(report), 0);
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(row(report).rows, 150U);
  EXPECT_EQ(row(report).lag, 50);
  ASSERT_EQ(row(report).ranges.size(), 1U);
  EXPECT_EQ(row(report).ranges[0], range(0, 150));
}

/// `clean()` with these offsets as dead letters instead of rows, by a service that keeps them.
TopicFacts with_dead_letters(std::vector<std::int64_t> offsets) {
  TopicFacts facts = facts_at_150();
  facts.dead_letters.loaded = {};
  PartitionFacts& of = partition(facts);
  of.dead_progress = Offset{150};
  std::int64_t from = 0;
  for (const std::int64_t offset : offsets) {
    add_rows(facts, from, offset);
    of.dead.add(range(offset, offset + 1), &of.repeated_dead);
    ++of.dead_count;
    from = offset + 1;
  }
  add_rows(facts, from, 150);
  take_log_entry(registration(0), facts);
  return facts;
}

/// The row of a dead letter, or another one.
void add_replayed_row(TopicFacts& facts, std::int64_t offset) {
  add_rows(facts, offset, offset + 1);
  add_common(range(offset, offset + 1), partition(facts).dead, partition(facts).both);
}

void add_replay(TopicFacts& facts, std::uint64_t version, const std::string& ranges,
                std::int64_t rows) {
  take_log_entry(
      entry(version,
            {{"bronzeReplayed", "{\"0\":" + ranges + "}"}, {"bronzeRows", std::to_string(rows)}},
            {{txn_of() + "/replayed", rows}}),
      facts);
}

void add_commits(TopicFacts& facts, std::int64_t rows, const std::string& replayed = "",
                 std::int64_t replayed_rows = 0) {
  take_log_entry(commit(2, 0, 150, rows), facts);
  if (!replayed.empty()) add_replay(facts, 3, replayed, replayed_rows);
}

TEST(VerifyJudgementTest, ReplayedLettersAreRowsAsWell) {
  TopicFacts facts = with_dead_letters({10, 11, 40});
  partition(facts).replayed = 2;
  add_replayed_row(facts, 10);
  add_replayed_row(facts, 40);
  add_commits(facts, 147, "[[10,11],[40,41]]", 2);
  const auto report = judge(facts);
  EXPECT_TRUE(report.findings.empty()) << report.findings.at(0).message;
  EXPECT_EQ(row(report).dead_letters, 3U);
  EXPECT_EQ(row(report).replayed, 2U);
  EXPECT_EQ(row(report).duplicates, 0U);
}

TEST(VerifyJudgementTest, RowsOfDeadLettersThatNobodyReplayedAreDoubles) {
  TopicFacts facts = with_dead_letters({10, 11});
  partition(facts).replayed = 1;
  add_replayed_row(facts, 10);
  add_replayed_row(facts, 11);
  add_commits(facts, 148, "[[10,11]]", 1);
  const auto report = judge(facts);
  EXPECT_EQ(codes(report, Level::kProblem), Codes{"duplicate_rows"});
  EXPECT_EQ(row(report).duplicates, 1U);
}

TEST(VerifyJudgementTest, ALetterThatWasReplayedTwiceIsADouble) {
  TopicFacts facts = with_dead_letters({10});
  partition(facts).replayed = 2;
  add_replayed_row(facts, 10);
  add_replayed_row(facts, 10);
  add_commits(facts, 149, "[[10,11]]", 1);
  EXPECT_TRUE(codes(judge(facts), Level::kProblem).contains("duplicate_rows"));
}

TEST(VerifyJudgementTest, DeadLettersThatAreThereTwiceAreFound) {
  TopicFacts facts = with_dead_letters({10});
  PartitionFacts& of = partition(facts);
  of.dead.add(range(10, 11), &of.repeated_dead);
  ++of.dead_count;
  add_commits(facts, 149);
  const auto report = judge(facts);
  EXPECT_EQ(codes(report, Level::kProblem), Codes{"duplicate_rows"});
  EXPECT_EQ(row(report).duplicates, 1U);
}

TEST(VerifyJudgementTest, WhatWasReplayedMustStillBeThere) {
  TopicFacts facts = with_dead_letters({10, 11});
  partition(facts).replayed = 2;
  add_replayed_row(facts, 10);
  add_commits(facts, 148, "[[10,12]]", 2);
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"rows_lost"});
}

TEST(VerifyJudgementTest, ARowThatWasDeletedMayBeReplayedAgain) {
  TopicFacts facts = with_dead_letters({10, 11});
  partition(facts).replayed = 3;
  for (const std::int64_t offset : {10, 11}) add_replayed_row(facts, offset);
  add_commits(facts, 148, "[[10,12]]", 2);
  add_replay(facts, 4, "[[10,11]]", 1);
  EXPECT_EQ(exit_code_of(judge(facts)), 0);
}

TEST(VerifyJudgementTest, DeadLettersMayBeRemovedAfterTheirReplay) {
  TopicFacts facts = with_dead_letters({});
  partition(facts).replayed = 2;
  add_commits(facts, 148, "[[10,12]]", 2);
  const auto report = judge(facts);
  EXPECT_EQ(exit_code_of(report), 0);
  EXPECT_EQ(codes(report, Level::kWarning), Codes{"dead_letters_removed"});
}

TEST(VerifyJudgementTest, ACountThatDoesNotGoWithTheLogIsFound) {
  TopicFacts facts = with_dead_letters({10});
  add_replayed_row(facts, 10);
  add_commits(facts, 149, "[[10,11]]", 1);
  EXPECT_EQ(codes(judge(facts), Level::kProblem), (Codes{"duplicate_rows", "replayed_count"}));
  partition(facts).replayed = 3;
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"replayed_count"})
      << "the log entries of two may be gone";
}

TEST(VerifyJudgementTest, DeadLettersAreAheadOfTheTableAndNotOfTheirOwnProgress) {
  TopicFacts facts = with_dead_letters({10});
  add_commits(facts, 149);
  PartitionFacts& of = partition(facts);
  of.dead_progress = Offset{170};
  of.dead.add(range(160, 162));
  of.dead_count += 2;
  EXPECT_EQ(exit_code_of(judge(facts)), 0);
  EXPECT_EQ(codes(judge(facts), Level::kOk), Codes{"dead_letters_ahead"});
  of.dead_progress = Offset{161};
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"dead_letters_beyond_progress"});
}

TEST(VerifyJudgementTest, ALostRowIsNoDeadLetter) {
  TopicFacts facts = with_dead_letters({10});
  add_commits(facts, 150);
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"rows_lost"});
}

TEST(VerifyJudgementTest, KafkaIsAskedOnlyAboutWhatItHasAndTheTableShouldHave) {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 20, 110);
  add_rows(facts, 120, 130);
  partition(facts).dead.add(range(115, 116));
  partition(facts).skipped.add(range(116, 118));
  take_log_entry(registration(0), facts);
  EXPECT_EQ(next_gap_to_ask(facts, k_p0, Offset{0}), range(110, 115));
  EXPECT_EQ(next_gap_to_ask(facts, k_p0, Offset{112}), range(112, 115));
  EXPECT_EQ(next_gap_to_ask(facts, k_p0, Offset{115}), range(118, 120));
  EXPECT_EQ(next_gap_to_ask(facts, k_p0, Offset{120}), range(130, 150));
  EXPECT_EQ(next_gap_to_ask(facts, k_p0, Offset{150}), std::nullopt);
  facts.kafka.identity = k_old_topic;
  EXPECT_EQ(next_gap_to_ask(facts, k_p0, Offset{0}), std::nullopt);
}

TEST(VerifyJudgementTest, GapsAreToldApart) {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 50, 90);
  add_rows(facts, 105, 140);
  partition(facts).skipped.add(range(92, 95));
  take_log_entry(registration(50), facts);
  facts.gap_looks[k_p0] = {
      .trouble = {}, .reached = {}, .visible = 2, .samples = {range(140, 142)}};
  const auto report = judge(facts);
  const GapReport& gaps = row(report).gaps;
  EXPECT_EQ(gaps.before_take_over, 0U);
  EXPECT_EQ(gaps.skipped, 3U);
  EXPECT_EQ(gaps.retention, 7U);
  EXPECT_EQ(gaps.missing, 2U);
  EXPECT_EQ(gaps.explained, 13U);
  EXPECT_EQ(gaps.unknown, 0U);
  EXPECT_EQ(codes(report, Level::kProblem), Codes{"missing_rows"});
  EXPECT_EQ(codes(report, Level::kWarning), Codes{"skipped"});
  EXPECT_EQ(exit_code_of(report), 1);
}

TEST(VerifyJudgementTest, GapsThatKafkaDidNotTellOfAreOpen) {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 0, 110);
  add_rows(facts, 120, 140);
  take_log_entry(registration(0), facts);
  facts.gap_looks[k_p0] = {.trouble = {kafka::Trouble::Kind::kUnreachable, "silence"},
                           .reached = Offset{125},
                           .visible = 0,
                           .samples = {}};
  auto report = judge(facts);
  EXPECT_EQ(row(report).gaps.explained, 10U);
  EXPECT_EQ(row(report).gaps.unknown, 10U);
  EXPECT_EQ(exit_code_of(report), 3);

  facts.kafka = {};
  facts.kafka.trouble = {kafka::Trouble::Kind::kUnreachable, "silence"};
  facts.gap_looks.clear();
  report = judge(facts);
  EXPECT_EQ(row(report).gaps.unknown, 20U);
  EXPECT_EQ(codes(report, Level::kUnknown), (Codes{"gaps_not_read", "kafka_unreachable"}));
}

TEST(VerifyJudgementTest, DuplicatesOfAnotherProgramAreNotOurs) {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 0, 150);
  add_rows(facts, 10, 12);
  take_log_entry(registration(50), facts);
  auto report = judge(facts);
  EXPECT_EQ(codes(report, Level::kWarning), Codes{"duplicates_before_take_over"});
  EXPECT_EQ(row(report).duplicates, 2U);
  EXPECT_EQ(row(report).duplicates_of_others, 2U);
  EXPECT_EQ(exit_code_of(report), 0);

  add_rows(facts, 49, 52);
  report = judge(facts);
  EXPECT_EQ(codes(report, Level::kProblem), Codes{"duplicate_rows"});
  EXPECT_EQ(row(report).duplicates, 5U);
  EXPECT_EQ(row(report).duplicates_of_others, 3U);
}

TEST(VerifyJudgementTest, WithoutTheRegistrationTheLogMustProveWhoWroteDuplicates) {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 0, 150);
  add_rows(facts, 10, 12);
  take_log_entry(commit(90, 100, 150, 50), facts);
  EXPECT_EQ(exit_code_of(judge(facts)), 3);
  add_rows(facts, 120, 121);
  EXPECT_EQ(exit_code_of(judge(facts)), 1);
}

TEST(VerifyJudgementTest, ASecondTakeOverGivesWhatItPassesToTheOtherProgram) {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 0, 150);
  add_rows(facts, 60, 70);
  take_log_entry(registration(0), facts);
  take_log_entry(commit(2, 0, 50, 50), facts);
  take_log_entry(entry(3, {{"bronzeRegisters", k_topic.text}, {"bronzeTakesOver", "partition 0"}},
                       {{txn_of(), 100}}),
                 facts);
  take_log_entry(commit(4, 100, 150, 50), facts);
  const auto report = judge(facts);
  EXPECT_EQ(codes(report, Level::kWarning), Codes{"duplicates_before_take_over"});
  EXPECT_EQ(row(report).begin, Offset{0});
  EXPECT_EQ(exit_code_of(report), 0);
}

TEST(VerifyJudgementTest, ACommitWhoseRowsAreGoneIsNamed) {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 0, 80);
  add_rows(facts, 100, 150);
  take_log_entry(registration(0), facts);
  // Two of them were never visible.
  take_log_entry(commit(2, 0, 100, 98), facts);
  take_log_entry(commit(3, 100, 150, 50), facts);
  auto removal = entry(4, {}, {});
  removal.parameters.clear();
  removal.operation = "DELETE";
  removal.files_removed = 1;
  take_log_entry(removal, facts);
  const auto report = judge(facts);
  ASSERT_EQ(codes(report, Level::kProblem), Codes{"rows_lost"});
  const std::string& said = report.findings[0].message;
  EXPECT_NE(said.find("18 rows"), std::string::npos) << said;
  EXPECT_NE(said.find("version 2: 98 rows written, 80 there"), std::string::npos) << said;
  EXPECT_NE(said.find("DELETE at version 4"), std::string::npos) << said;

  facts.table.unread_files.add("a.parquet: time-out");
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), (Codes{"file_not_read", "rows_lost"}));
}

TEST(VerifyJudgementTest, WhereTheServiceBeganIsOpenOnceTheLogWasCleaned) {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 120, 150);
  EXPECT_EQ(next_gap_to_ask(facts, k_p0, Offset{0}), std::nullopt);
  EXPECT_EQ(beginning_to_ask(facts, k_p0), range(100, 120));
  facts.beginning_looks[k_p0] = {
      .trouble = {}, .reached = {}, .visible = 1, .samples = {range(103, 104)}};
  auto report = judge(facts);
  EXPECT_EQ(codes(report, Level::kUnknown), Codes{"beginning_unknown"});
  EXPECT_EQ(row(report).begin, std::nullopt);
  EXPECT_EQ(row(report).gaps.unknown, 20U);
  EXPECT_EQ(exit_code_of(report), 3);

  facts.beginning_looks[k_p0] = {.trouble = {kafka::Trouble::Kind::kOther, "no time"},
                                 .reached = Offset{100},
                                 .visible = 0,
                                 .samples = {}};
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"gaps_not_read"});

  // Only what no consumer sees: nothing of it could have been a row.
  facts.beginning_looks[k_p0] = {};
  report = judge(facts);
  EXPECT_TRUE(report.findings.empty());
  EXPECT_EQ(row(report).gaps.explained, 20U);

  facts.kafka.earliest[k_p0] = Offset{120};
  facts.beginning_looks.clear();
  EXPECT_EQ(beginning_to_ask(facts, k_p0), std::nullopt);
  EXPECT_TRUE(judge(facts).findings.empty());
}

TEST(VerifyJudgementTest, APartitionWithoutRowsIsNotCleanOnceTheLogWasCleaned) {
  TopicFacts facts = facts_at_150();
  EXPECT_EQ(beginning_to_ask(facts, k_p0), range(100, 150));
  facts.beginning_looks[k_p0] = {};
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"rows_lost"});

  take_log_entry(registration(150), facts);
  EXPECT_EQ(beginning_to_ask(facts, k_p0), std::nullopt);
  EXPECT_TRUE(judge(facts).findings.empty());
}

TEST(VerifyJudgementTest, AGapThatNeitherKafkaNorTheLogTellsOfIsOpen) {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 0, 40);
  add_rows(facts, 50, 150);
  auto report = judge(facts);
  EXPECT_EQ(codes(report, Level::kUnknown), Codes{"rows_lost"});
  EXPECT_EQ(row(report).gaps.retention, 10U);

  take_log_entry(commit(2, 0, 60, 50), facts);
  report = judge(facts);
  EXPECT_EQ(codes(report, Level::kOk), Codes{"retention"});
  EXPECT_EQ(exit_code_of(report), 0);
}

TEST(VerifyJudgementTest, RowsThatNobodyWroteAreFound) {
  TopicFacts facts = facts_at_150();
  add_rows(facts, 0, 150);
  take_log_entry(registration(0), facts);
  take_log_entry(commit(2, 0, 100, 98), facts);
  take_log_entry(commit(3, 100, 150, 50), facts);
  const auto report = judge(facts);
  ASSERT_EQ(codes(report, Level::kProblem), Codes{"rows_not_written"});
  const std::string& said = report.findings[0].message;
  EXPECT_NE(said.find("2 rows lie"), std::string::npos) << said;
  EXPECT_NE(said.find("version 2: 98 rows written, 100 there"), std::string::npos) << said;

  facts = clean();
  facts.table.rows_of_no_record = 1;
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"rows_not_written"});
}

TEST(VerifyJudgementTest, RangesOfTheLogTakeNoMoreMemoryThanAllowed) {
  TopicFacts facts = facts_at_150();
  facts.offsets_bytes_max = 1'000'000;
  add_rows(facts, 0, 150);
  take_log_entry(commit(2, 0, std::int64_t{1} << 62, 1), facts);
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"out_of_memory"});
  EXPECT_LT(partition(facts).stated.bytes(), 1'000'000U);

  facts = clean();
  take_log_entry(commit(3, -5, 2, 1), facts);
  EXPECT_EQ(exit_code_of(judge(facts)), 0);
}

TEST(VerifyJudgementTest, ProgressMustGoWithRowsKafkaAndGroup) {
  TopicFacts facts = clean();
  add_rows(facts, 150, 152);
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"rows_beyond_progress"});

  facts = clean();
  facts.kafka.latest[k_p0] = Offset{149};
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"log_truncated"});

  facts = clean();
  facts.kafka.earliest[k_p0] = Offset{151};
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"data_loss"});

  facts = clean();
  facts.kafka.group_offsets[k_p0] = {Offset{160}, ingest::commit_metadata("table-id")};
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"table_set_back"});
  EXPECT_TRUE(is_ahead_of_table(facts));
  facts.kafka.group_offsets[k_p0] = {Offset{160}, ""};
  EXPECT_FALSE(is_ahead_of_table(facts));
  EXPECT_EQ(exit_code_of(judge(facts)), 0);
}

TEST(VerifyJudgementTest, WhatWaitsForAnOpenTransactionIsLag) {
  TopicFacts facts = clean();
  facts.kafka.latest[k_p0] = Offset{150};
  facts.kafka.end[k_p0] = Offset{171};
  const auto report = judge(facts);
  EXPECT_EQ(row(report).lag, 21);
  EXPECT_EQ(row(report).high_watermark, Offset{171});
  ASSERT_EQ(codes(report, Level::kOk), Codes{"open_transaction"});
  EXPECT_EQ(report.findings[0].partition, k_p0);
  const std::string& said = report.findings[0].message;
  EXPECT_NE(said.find("21 offsets, 150 to 170,"), std::string::npos) << said;
  EXPECT_EQ(exit_code_of(report), 0);

  facts.kafka.end[k_p0] = Offset{150};
  EXPECT_TRUE(judge(facts).findings.empty());
}

TEST(VerifyJudgementTest, AStateThatWasLostIsNotAnUnknownGroup) {
  TopicFacts facts = clean();
  const auto forget = [&](const delta::TxnMap& txns) { read_txns(txns, facts); };
  forget({});
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"not_registered"});
  facts.kafka.group_offsets[k_p0] = {Offset{150}, ingest::commit_metadata("another-id")};
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"table_lost"});
  facts.kafka.group_offsets[k_p0] = {Offset{150}, ingest::commit_metadata("table-id")};
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"table_set_back"});

  facts.kafka.group_offsets.clear();
  forget({{txn_of(), 150}});
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"registration_lost"});
  forget({{txn_of(k_old_topic), 150}});
  const auto report = judge(facts);
  EXPECT_EQ(codes(report, Level::kUnknown), Codes{"not_registered"});
  EXPECT_NE(report.findings[0].message.find(k_old_topic.text), std::string::npos);
}

TEST(VerifyJudgementTest, RowsOfTwoTopicsOfOneNameAreJudgedApart) {
  TopicFacts facts = facts_at_150();
  constexpr UnixMicros k_since = 1'700'000'000'000'000;
  read_txns({{ingest::registry_app_id("group", "trips"), k_topic.number},
             {ingest::registry_app_id("group", "trips") + "/" + k_topic.text + "/since", k_since},
             {txn_of(k_old_topic), 300},
             {txn_of(), 150}},
            facts);
  ASSERT_EQ(facts.epochs.size(), 2U);
  EXPECT_EQ(facts.epochs[0].identity, k_old_topic.text);
  EXPECT_EQ(facts.epochs[1].since, k_since);
  add_rows(facts, 0, 150);
  PartitionFacts& old = facts.epochs[0].partitions[k_p0];
  old.rows.add(range(0, 200));
  old.rows.add(range(201, 300));
  old.row_count = 299;
  facts.kafka.group_offsets[k_p0] = {Offset{300}, ingest::commit_metadata("table-id")};
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"rows_lost"});
  // A commit of that time says that it wrote no more.
  old.stated.add(range(150, 300));
  const auto report = judge(facts);
  EXPECT_EQ(exit_code_of(report), 0);
  ASSERT_EQ(report.epochs.size(), 2U);
  EXPECT_FALSE(report.epochs[0].is_current);
  EXPECT_EQ(report.epochs[0].partitions[0].gaps.retention, 1U);
  EXPECT_EQ(row(report).rows, 150U);
}

TEST(VerifyJudgementTest, AnotherTopicInKafkaCannotBeCompared) {
  TopicFacts facts = clean();
  facts.kafka.identity = k_old_topic;
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"other_topic"});
  facts.kafka.trouble = {kafka::Trouble::Kind::kUnknownTopic, "no such topic"};
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"topic_absent"});
}

TEST(VerifyJudgementTest, WhatCannotBeReadIsOpenAndWhatIsBrokenIsNot) {
  TopicFacts facts = clean();
  facts.table.unreadable = "it uses column mapping, which verify does not read";
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"unsupported"});

  facts = clean();
  facts.table.out_of_memory = true;
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"out_of_memory"});

  facts = clean();
  facts.table.loaded = {StoreStatus::kTransient, "time-out"};
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"table_not_read"});
  facts.table.loaded = {StoreStatus::kCorrupt, "log entry 7 is missing"};
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"log_broken"});
  facts.table.loaded = {StoreStatus::kMissing, "there is no Delta log"};
  EXPECT_EQ(codes(judge(facts), Level::kUnknown), Codes{"table_absent"});
  facts.kafka.group_offsets[k_p0] = {Offset{160}, ingest::commit_metadata("table-id")};
  EXPECT_EQ(codes(judge(facts), Level::kProblem), Codes{"table_lost"});

  facts = clean();
  facts.log.needed_entries.add("7");
  facts.log.missing_entries.add("2");
  auto report = judge(facts);
  EXPECT_EQ(codes(report, Level::kProblem), Codes{"log_entry_missing"});
  EXPECT_EQ(codes(report, Level::kWarning), Codes{"log_entry_missing"});
}

TEST(VerifyJudgementTest, ProblemsWinOverOpenQuestionsInOneJsonObject) {
  TopicFacts facts = clean();
  add_rows(facts, 0, 1);
  facts.table.unread_files.add("a.parquet");
  const VerifyReport report{{}, {judge(facts)}};
  EXPECT_EQ(exit_code(report), 1);
  std::ostringstream out;
  print_json(report, out);
  const std::string json = out.str();
  EXPECT_NE(json.find("\"verdict\":\"dirty\",\"exit_code\":1"), std::string::npos);
  EXPECT_NE(json.find("\"code\":\"duplicate_rows\",\"partition\":0"), std::string::npos);
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 1);
  std::ostringstream text;
  print_text(report, text);
  EXPECT_NE(text.str().find("dirty: 1 topics, 1 problems, 1 open questions"), std::string::npos)
      << text.str();
}

}  // namespace
}  // namespace bronze::commands
