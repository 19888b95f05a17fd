#include "commands/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "batch/schema.h"
#include "commands/replay_output.h"
#include "commands/replay_selection.h"
#include "commands/replay_topic.h"
#include "fakes/fake_clock.h"
#include "fakes/fake_reader.h"
#include "fakes/fake_table.h"
#include "ingest/app_id.h"

namespace bronze::commands {
namespace {

using delta::DeadLetter;
using delta::StoreStatus;

constexpr Partition k_p0{0};
constexpr Partition k_p1{1};
constexpr const char* k_json = "JSON_PARSE_ERROR";
const TopicIdentity k_topic{"topic-uuid-AAAAAAAAAAA", 4711};
const std::string k_registry = ingest::registry_app_id("group", "trips");

std::string txn_of(Partition partition) {
  return ingest::partition_app_id("group", k_topic, partition);
}
std::string count_of(Partition partition) { return txn_of(partition) + "/replayed"; }

DeadLetter letter(Partition partition, std::int64_t offset, const std::string& bytes = "{}") {
  DeadLetter letter;
  letter.partition = partition;
  letter.offset = Offset{offset};
  letter.ingested_at = 1'000 + offset;
  letter.error_type = k_json;
  letter.bytes = bytes;
  letter.kafka_timestamp = 7'000;
  return letter;
}

/// A dead-letter table; a test says what it holds.
class LetterReader final : public delta::TableReader {
 public:
  LetterReader() {
    view_.shape.schema_json =
        R"({"type":"struct","fields":[{"name":"_kafka_partition"},{"name":"_kafka_offset"}]})";
  }
  delta::StoreOutcome load() override { return outcome; }
  [[nodiscard]] const delta::SnapshotView& snapshot() const override { return view_; }
  std::unique_ptr<delta::RowScan> scan_rows(const delta::RowQuery& query) override {
    delta::RowPart part;
    for (const auto& of : letters) {
      part.runs.push_back(fakes::run_of(of.partition, of.offset, of.ingested_at, query));
    }
    return std::make_unique<fakes::ReadyRowScan>(std::vector{std::move(part)}, k_always_read);
  }
  std::unique_ptr<delta::LetterScan> scan_letters(const delta::LetterQuery& query) override {
    asked = query;
    delta::LetterPart part;
    part.letters = letters;
    return std::make_unique<fakes::ReadyLetterScan>(std::vector{std::move(part)}, k_always_read);
  }
  delta::LogVersions log_versions() override { return {}; }
  std::vector<delta::LogEntry> log_entries(delta::VersionRange) override { return {}; }

  delta::StoreOutcome outcome;
  std::vector<DeadLetter> letters;
  delta::LetterQuery asked;

 private:
  static constexpr auto k_always_read = [] { return delta::StoreOutcome{}; };

  delta::SnapshotView view_;
};

/// The main table. One of its files may be damaged.
class RowReader final : public fakes::FakeReader {
 public:
  using FakeReader::FakeReader;
  std::unique_ptr<delta::RowScan> scan_rows(const delta::RowQuery& query) override {
    if (broken_file.ok()) return FakeReader::scan_rows(query);
    delta::RowPart part;
    part.files.emplace_back().outcome = broken_file;
    return std::make_unique<fakes::ReadyRowScan>(std::vector{std::move(part)},
                                                 [] { return delta::StoreOutcome{}; });
  }

  delta::StoreOutcome broken_file;
};

/// Refuses what has "bad" in it, and needs a schema for what has "framed".
class FakeValidator final : public decode::Validator {
 public:
  FakeValidator(const std::function<void()>& before, const bool& registry_answers)
      : before_(before), registry_answers_(registry_answers) {}
  decode::Verdict check(std::string_view value) override {
    before_();
    if (!fetched_ && value.find("framed") != std::string_view::npos) return decode::NeedsSchema{7};
    if (value.find("bad") == std::string_view::npos) return decode::Accepted{};
    return decode::RecordError{decode::k_schema_validation_error, "no good"};
  }
  std::vector<decode::FetchOutcome> fetch(std::span<const std::int32_t> ids) override {
    std::vector<decode::FetchOutcome> outcomes;
    for (const std::int32_t id : ids) {
      if (registry_answers_) {
        fetched_ = true;
        outcomes.push_back({id, decode::FetchStatus::kFetched, ""});
      } else {
        outcomes.push_back({id, decode::FetchStatus::kUnavailable, "no registry"});
      }
    }
    return outcomes;
  }

 private:
  const std::function<void()>& before_;
  const bool& registry_answers_;
  bool fetched_ = false;
};

class ReplayTest : public ::testing::Test {
 protected:
  ReplayTest() {
    auto& table = store_["bronze_trips"];
    table.id = "table-id";
    table.commits.resize(2);
    table.commits[1].txns = {{k_registry, k_topic.number}, {txn_of(k_p0), 100}, {txn_of(k_p1), 50}};
  }

  /// With handles of its own, as another process has.
  ReplayedTopic replay(ReplayMode mode = ReplayMode::kWrite) {
    RowReader rows(store_, "bronze_trips", hooks_);
    rows.broken_file = broken_file_;
    fakes::FakeTable table(store_, "bronze_trips", hooks_, 1);
    return replay(rows, table, mode);
  }
  ReplayedTopic replay(RowReader& rows, delta::TableSink& table, ReplayMode mode) {
    delta::LetterQuery query;
    query.topic = "trips";
    return TopicReplay({.group = "group",
                        .mode = mode,
                        .batch = limits_,
                        .write_retry = std::chrono::seconds(300)},
                       {.dead_letters = dead_,
                        .rows = rows,
                        .table = table,
                        .decoder = decoder_,
                        .clock = clock_,
                        .sleep = sleep_},
                       query, tell_)
        .run();
  }

  [[nodiscard]] std::multiset<std::pair<std::int32_t, std::int64_t>> rows() const {
    std::multiset<std::pair<std::int32_t, std::int64_t>> found;
    for (const auto& commit : store_.at("bronze_trips").commits) {
      for (const auto& row : commit.rows) found.emplace(number(row.partition), row.offset.value);
    }
    return found;
  }
  [[nodiscard]] const std::vector<fakes::StoredCommit>& commits() const {
    return store_.at("bronze_trips").commits;
  }

  std::map<std::string, fakes::StoredTable> store_;
  fakes::StoreHooks hooks_;
  std::function<void()> before_check_ = [] {};
  bool registry_answers_ = true;
  decode::Decoder decoder_{{}, std::make_unique<FakeValidator>(before_check_, registry_answers_)};
  LetterReader dead_;
  delta::StoreOutcome broken_file_;
  fakes::FakeClock clock_;
  ReplayBatch::Limits limits_{.held_bytes = 1'000'000, .age = std::chrono::seconds(60)};
  const std::function<void(Duration)> sleep_ = [this](Duration time) { clock_.advance(time); };
  const TellProgress tell_ = [](const std::string&) {};
};

using Pairs = std::multiset<std::pair<std::int32_t, std::int64_t>>;

TEST_F(ReplayTest, ValidLettersBecomeRowsOfOneCommitThatCountsThem) {
  dead_.letters = {letter(k_p0, 4, "four"), letter(k_p1, 9, "bad"), letter(k_p0, 5, "five"),
                   letter(k_p0, 40, "forty")};
  const auto report = replay();

  EXPECT_EQ(report.status, ReplayStatus::kDone) << report.message;
  EXPECT_EQ(report.letters(), 4U);
  EXPECT_EQ(report.letters(Fate::kReplayed), 3U);
  EXPECT_EQ(report.counts.at(k_json).at({Fate::kStillBad, "SCHEMA_VALIDATION_ERROR"}).sample,
            "no good");
  ASSERT_EQ(commits().size(), 3U);
  const auto& commit = commits()[2];
  EXPECT_EQ(commit.txns, (delta::TxnMap{{count_of(k_p0), 3}, {k_registry, k_topic.number}}));
  EXPECT_EQ(commit.parameters.at("bronzeReplayed"), R"({"0":[[4,6],[40,41]]})");
  EXPECT_EQ(commit.parameters.at("bronzeRows"), "3");
  EXPECT_EQ(commit.parameters.at("bronzeTopic"), "trips");
  ASSERT_EQ(commit.rows.size(), 3U);
  EXPECT_EQ(commit.rows[0].value, "four");
  EXPECT_EQ(commit.rows[0].ingested_at, clock_.wall());
  EXPECT_EQ(commit.rows[0].date, "2026-03-01");
}

TEST_F(ReplayTest, ASecondReplayRepeatsNothingAndTakesWhatIsValidSince) {
  dead_.letters = {letter(k_p0, 4), letter(k_p0, 5, "bad"), letter(k_p0, 4)};
  EXPECT_EQ(replay().letters(Fate::kAlreadyThere), 1U) << "it is there twice";
  const auto again = replay();
  EXPECT_EQ(again.letters(Fate::kReplayed), 0U);
  EXPECT_EQ(again.letters(Fate::kAlreadyThere), 2U);
  EXPECT_EQ(commits().size(), 3U);
  dead_.letters[1].bytes = "good";
  EXPECT_EQ(replay().letters(Fate::kReplayed), 1U);
  EXPECT_EQ(rows(), (Pairs{{0, 4}, {0, 5}}));
  EXPECT_EQ(commits().back().txns.at(count_of(k_p0)), 2);
}

TEST_F(ReplayTest, LettersThatAreNotToBeReplayedAreCountedByWhy) {
  store_["bronze_trips"].commits[1].txns[k_registry + "/" + k_topic.text + "/since"] = 1'010;
  store_["bronze_trips"].commits[1].rows = {{k_p0, Offset{30}, "x", 2'000, ""},
                                            {k_p0, Offset{31}, "x", 1'000, ""}};
  dead_.letters = {letter(k_p0, 9),  letter(k_p0, 100), letter(Partition{7}, 20),
                   letter(k_p0, 30), letter(k_p0, 31),  letter(k_p0, 32)};
  dead_.letters.back().bytes.reset();
  dead_.letters.back().text = "gone \xEF\xBF\xBD";
  const auto report = replay();
  EXPECT_EQ(report.letters(Fate::kOtherTopic), 1U);
  EXPECT_EQ(report.letters(Fate::kNotPassed), 2U);
  EXPECT_EQ(report.letters(Fate::kAlreadyThere), 1U);
  EXPECT_EQ(report.letters(Fate::kReplayed), 1U) << "the row at 31 is of the older topic";
  EXPECT_EQ(report.letters(Fate::kBytesNotKept), 1U);
}

TEST_F(ReplayTest, AnOlderTopicsLetterIsNotTakenForTheOneAtTheSameOffset) {
  store_["bronze_trips"].commits[1].txns[k_registry + "/" + k_topic.text + "/since"] = 1'010;
  dead_.letters = {letter(k_p0, 30), letter(k_p0, 30)};
  dead_.letters[1].ingested_at = 1'000;
  const auto report = replay();
  EXPECT_EQ(report.letters(Fate::kReplayed), 1U);
  EXPECT_EQ(report.letters(Fate::kOtherTopic), 1U);
}

TEST_F(ReplayTest, ADryRunWritesNothingAndCountsTheSame) {
  dead_.letters = {letter(k_p0, 4), letter(k_p0, 5, "bad"), letter(k_p0, 4)};
  const auto dry = replay(ReplayMode::kDryRun);
  EXPECT_EQ(commits().size(), 2U);
  const auto wet = replay();
  for (const Fate fate : {Fate::kReplayed, Fate::kStillBad, Fate::kAlreadyThere}) {
    EXPECT_EQ(dry.letters(fate), wet.letters(fate));
  }
  EXPECT_EQ(dry.commits, 0U);
}

TEST_F(ReplayTest, FarApartLettersTakeSeveralCommits) {
  store_["bronze_trips"].commits[1].txns[txn_of(k_p0)] = 100'000;
  for (std::int64_t i = 0; i < 10'000; ++i) dead_.letters.push_back(letter(k_p0, 2 * i));
  const auto report = replay();
  EXPECT_EQ(report.commits, 3U);
  EXPECT_EQ(report.letters(Fate::kReplayed), 10'000U);
  EXPECT_EQ(rows().size(), 10'000U);
  EXPECT_EQ(commits().back().txns.at(count_of(k_p0)), 10'000);
}

TEST_F(ReplayTest, WhateverStepItDiesAtASecondReplayMakesItWhole) {
  limits_.held_bytes = 0;
  for (std::int64_t offset = 0; offset < 4; ++offset) dead_.letters.push_back(letter(k_p0, offset));
  const auto untouched = store_;
  bool died = true;
  int deaths = 0;
  for (int at = 1; died; ++at) {
    store_ = untouched;
    died = false;
    hooks_.step = [&, left = at]() mutable {
      if (--left == 0) throw std::runtime_error("killed");
    };
    try {
      static_cast<void>(replay());
    } catch (const std::runtime_error&) {
      died = true;
      ++deaths;
    }
    hooks_.step = [] {};
    EXPECT_EQ(replay().status, ReplayStatus::kDone);
    EXPECT_EQ(rows(), (Pairs{{0, 0}, {0, 1}, {0, 2}, {0, 3}})) << "killed at step " << at;
    EXPECT_EQ(store_["bronze_trips"].txns().at(count_of(k_p0)), 4);
  }
  EXPECT_GT(deaths, 4);
}

TEST_F(ReplayTest, LostAnswersDoubleNothing) {
  for (const auto fault : {fakes::PutFault::kAnswerLost, fakes::PutFault::kOwnConflict,
                           fakes::PutFault::kNothingLanded}) {
    store_["bronze_trips"].commits.resize(2);
    dead_.letters = {letter(k_p0, 4), letter(k_p1, 5)};
    hooks_.put_fault = [fault, first = true]() mutable {
      return std::exchange(first, false) ? fault : fakes::PutFault::kNone;
    };
    EXPECT_EQ(replay().letters(Fate::kReplayed), 2U);
    EXPECT_EQ(rows(), (Pairs{{0, 4}, {1, 5}}));
  }
}

TEST_F(ReplayTest, TwoReplaysAtOnceDoubleNothing) {
  dead_.letters = {letter(k_p0, 4), letter(k_p0, 5)};
  before_check_ = [this, first = true]() mutable {
    if (std::exchange(first, false)) {
      EXPECT_EQ(replay().letters(Fate::kReplayed), 2U);
    }
  };
  const auto later = replay();
  EXPECT_EQ(later.status, ReplayStatus::kDone);
  EXPECT_EQ(later.letters(Fate::kAlreadyThere), 2U);
  EXPECT_EQ(rows(), (Pairs{{0, 4}, {0, 5}}));
}

TEST_F(ReplayTest, CommitsOfTheServiceAreNoObstacle) {
  dead_.letters = {letter(k_p0, 4)};
  before_check_ = [this] {
    store_["bronze_trips"].commits.push_back(
        {.txns = {{txn_of(k_p0), 120}}, .token = "t", .rows = {}});
  };
  EXPECT_EQ(replay().letters(Fate::kReplayed), 1U);
  EXPECT_EQ(store_["bronze_trips"].txns().at(txn_of(k_p0)), 120);
}

TEST_F(ReplayTest, ATopicThatWasCreatedAgainMeanwhileGetsNoLetterOfTheOlderOne) {
  dead_.letters = {letter(k_p0, 4)};
  const TopicIdentity other{"topic-uuid-BBBBBBBBBBB", 4712};
  before_check_ = [&, first = true]() mutable {
    if (!std::exchange(first, false)) return;
    store_["bronze_trips"].commits.push_back(
        {.txns = {{k_registry, other.number},
                  {k_registry + "/" + other.text + "/since", 4'000'000},
                  {ingest::partition_app_id("group", other, k_p0), 0}},
         .token = "t",
         .rows = {}});
  };
  const auto report = replay();
  EXPECT_EQ(report.status, ReplayStatus::kDone);
  EXPECT_EQ(report.letters(Fate::kOtherTopic), 1U);
  EXPECT_TRUE(rows().empty());
}

TEST_F(ReplayTest, TransientFaultsAreTriedAgainForAsLongAsConfigured) {
  dead_.letters = {letter(k_p0, 4)};
  int failures = 5;
  hooks_.read_fails = [&] { return failures-- > 0; };
  EXPECT_EQ(replay().letters(Fate::kReplayed), 1U);
  const SteadyTime begin = clock_.now();
  dead_.outcome = {StoreStatus::kTransient, "no answer"};
  const auto report = replay();
  EXPECT_EQ(report.status, ReplayStatus::kUnreachable);
  EXPECT_EQ(report.message, "no answer");
  EXPECT_GE(clock_.now() - begin, std::chrono::seconds(300));
  EXPECT_LT(clock_.now() - begin, std::chrono::seconds(320));
  EXPECT_EQ(exit_code(ReplayReport{ReplayMode::kWrite, "", {report}}), 3);
}

TEST_F(ReplayTest, ShortFaultsFarApartDoNotEndAPassWithoutCommits) {
  dead_.letters = {letter(k_p0, 4), letter(k_p0, 5)};
  int failures = 1;
  hooks_.read_fails = [&] { return failures-- > 0; };
  before_check_ = [&, first = true]() mutable {
    if (!std::exchange(first, false)) return;
    clock_.advance(std::chrono::seconds(400));
    failures = 1;
  };
  const auto report = replay();
  EXPECT_EQ(report.status, ReplayStatus::kDone) << report.message;
  EXPECT_EQ(report.letters(Fate::kReplayed), 2U);
}

TEST_F(ReplayTest, ACallThatNeverSucceedsIsGivenUpThoughOthersDo) {
  dead_.letters = {letter(k_p0, 4), letter(k_p0, 5, "framed")};
  registry_answers_ = false;
  const SteadyTime begin = clock_.now();
  const auto report = replay();
  EXPECT_EQ(report.status, ReplayStatus::kUnreachable);
  EXPECT_EQ(report.message, "no registry");
  EXPECT_GE(clock_.now() - begin, std::chrono::seconds(300));
  EXPECT_LT(clock_.now() - begin, std::chrono::seconds(320));
  registry_answers_ = true;
  EXPECT_EQ(replay().letters(Fate::kReplayed), 2U);
}

TEST_F(ReplayTest, WhatTheTableHoldsMustBeKnown) {
  dead_.letters = {letter(k_p0, 4)};
  broken_file_ = {StoreStatus::kCorrupt, "a file is damaged"};
  const auto report = replay();
  EXPECT_EQ(report.status, ReplayStatus::kFailed);
  EXPECT_EQ(commits().size(), 2U);
  EXPECT_EQ(exit_code(ReplayReport{ReplayMode::kWrite, "", {report}}), 1);
}

TEST_F(ReplayTest, NothingIsReplayedIntoATableThatDoesNotKnowTheTopic) {
  store_["bronze_trips"].commits[1].txns.erase(k_registry);
  dead_.letters = {letter(k_p0, 4)};
  EXPECT_EQ(replay().letters(Fate::kNotPassed), 1U);
  dead_.outcome = {StoreStatus::kMissing, "no table"};
  EXPECT_EQ(replay().status, ReplayStatus::kNoDeadLetters);
}

TEST(ReplaySelectionTest, TheValueIsTheOneThatWasSent) {
  const auto value_of = [](const DeadLetter& of, const TableColumns& columns = {}) {
    const auto original = original_value(of, columns);
    const auto* value = std::get_if<std::optional<std::string_view>>(&original);
    if (value == nullptr) return std::string("not kept");
    return *value ? std::string(**value) : std::string("tombstone");
  };
  constexpr TableColumns k_with_headers{.extra = {.headers = true}};
  constexpr TableColumns k_binary{.raw_value = RawValue::kBinary, .extra = {.headers = true}};
  DeadLetter of = letter(k_p0, 1, "\xFF\x01");
  EXPECT_EQ(value_of(of), "\xFF\x01");
  of.error_type = "ENCODING_ERROR";
  EXPECT_EQ(value_of(of, k_with_headers), "\xFF\x01");
  EXPECT_EQ(value_of(of, k_binary), "not kept") << "a header may have been wrong";
  of.bytes = "text";
  EXPECT_EQ(value_of(of), "text");
  EXPECT_EQ(value_of(of, k_with_headers), "not kept") << "a header was wrong";
  of.bytes.reset();
  EXPECT_EQ(value_of(of), "tombstone");
  of.error_type = k_json;
  EXPECT_EQ(value_of(of), "");
  of.text = "only text";
  EXPECT_EQ(value_of(of), "only text");
  of.text = "\xEF\xBF\xBD";
  EXPECT_EQ(value_of(of), "not kept");
}

TEST(ReplaySettingsTest, ArgumentsAreReadOrAllThatIsWrongIsTold) {
  const auto good = replay_settings({.topics = {"trips", "^t.*"},
                                     .error_types = {k_json},
                                     .since = "2026-01-31T10:30:00Z",
                                     .until = "2026-01-31T10:30:01Z",
                                     .partition = 3,
                                     .offsets = "100-200"});
  const auto& settings = std::get<ReplaySettings>(good);
  EXPECT_EQ(settings.topics, std::vector<std::string>{"trips"});
  EXPECT_EQ(settings.patterns, std::vector<std::string>{"^t.*"});
  EXPECT_EQ(settings.query.since, 1'769'855'400'000'000);
  EXPECT_EQ(settings.query.until, 1'769'855'401'000'000);
  EXPECT_EQ(settings.query.partition, Partition{3});
  EXPECT_EQ(settings.query.offsets, (OffsetRange{Offset{100}, Offset{200}}));
  const auto bad = replay_settings({.topics = {"../x", "^("},
                                    .error_types = {"JSON"},
                                    .since = "yesterday",
                                    .until = "",
                                    .offsets = "200-100"});
  std::multiset<std::string> named;
  for (const auto& error : std::get<1>(bad)) named.insert(error.variable);
  EXPECT_EQ(named, (std::multiset<std::string>{"--topic", "--topic", "--error-type", "--since",
                                               "--offsets"}));
}

TEST(ReplayOutputTest, CountsAreInTextAndJson) {
  ReplayedTopic topic;
  topic.topic = "trips";
  topic.table = "bronze_trips";
  topic.dead_letter_table = "dlq_bronze_trips";
  topic.commits = 1;
  topic.count(k_json, {Fate::kReplayed, ""}, 7);
  topic.count(k_json, {Fate::kStillBad, "ENCODING_ERROR"}, 2, "at byte 3");
  const ReplayReport report{.mode = ReplayMode::kWrite, .topics_unknown = "", .topics = {topic}};
  std::ostringstream text;
  print_text(report, text);
  EXPECT_NE(text.str().find("trips: 9 dead letters, 7 replayed in 1 commits"), std::string::npos);
  EXPECT_NE(text.str().find("still bad: ENCODING_ERROR"), std::string::npos);
  std::ostringstream json;
  print_json(report, json);
  EXPECT_NE(json.str().find(R"("outcome":"still_bad","now":"ENCODING_ERROR","letters":2)"),
            std::string::npos)
      << json.str();
}

}  // namespace
}  // namespace bronze::commands
