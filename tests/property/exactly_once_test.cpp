#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "base/sabotage.h"
#include "property/simulation.h"

namespace bronze::property {
namespace {

/// BRONZE_SCRIPTS: how many scripts; BRONZE_SEED: the first seed, to play a failure again.
std::uint32_t from_environment(const char* name, std::uint32_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::stoul(text));
}

class ExactlyOnce : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("BRONZE_SEED") == nullptr) spdlog::set_level(spdlog::level::off);
  }
  void TearDown() override { active_sabotage = Sabotage::kNone; }
};

TEST_F(ExactlyOnce, HoldsOverRandomScripts) {
  const std::uint32_t first = from_environment("BRONZE_SEED", 1);
  const std::uint32_t scripts = from_environment("BRONZE_SCRIPTS", 20'000);
  Outcome sum;
  for (std::uint32_t seed = first; seed < first + scripts; ++seed) {
    try {
      const Outcome outcome = Simulation(seed).run();
      sum.rows += outcome.rows;
      sum.commits += outcome.commits;
      sum.crashes += outcome.crashes;
      sum.rebalances += outcome.rebalances;
      sum.put_faults += outcome.put_faults;
      sum.finished_partitions += outcome.finished_partitions;
      sum.replaced_partitions += outcome.replaced_partitions;
      sum.deleted_topics += outcome.deleted_topics;
      sum.foreign_rows += outcome.foreign_rows;
      sum.take_overs += outcome.take_overs;
      sum.gaps += outcome.gaps;
      sum.overtaken_partitions += outcome.overtaken_partitions;
      sum.epochs += outcome.epochs;
      sum.dead_letters += outcome.dead_letters;
      sum.rule_changes += outcome.rule_changes;
      sum.decided_partitions += outcome.decided_partitions;
      sum.replays += outcome.replays;
      sum.dead_replays += outcome.dead_replays;
      sum.replayed_rows += outcome.replayed_rows;
      sum.states_believed += outcome.states_believed;
      sum.states_refused += outcome.states_refused;
    } catch (const Violation& violation) {
      FAIL() << violation.what() << "\nplay it again: BRONZE_SCRIPTS=1 BRONZE_SEED=" << seed;
    }
  }
  std::cout << scripts << " scripts: " << sum.rows << " rows in " << sum.commits << " commits, "
            << sum.crashes << " crashes, " << sum.rebalances << " rebalances, " << sum.put_faults
            << " failed puts, " << sum.finished_partitions << " partitions finished, "
            << sum.replaced_partitions << " of replaced topics, " << sum.deleted_topics
            << " topics deleted, " << sum.foreign_rows << " rows of the original, "
            << sum.take_overs << " partitions taken over, " << sum.gaps << " gaps, "
            << sum.overtaken_partitions << " overtaken partitions, " << sum.epochs
            << " new epochs, " << sum.dead_letters << " dead letters, " << sum.rule_changes
            << " changes of rules, " << sum.decided_partitions
            << " partitions begun between the two commits, " << sum.replayed_rows << " rows of "
            << sum.replays << " replays, of which " << sum.dead_replays << " died, "
            << sum.states_believed << " kept states believed and " << sum.states_refused
            << " refused\n";
  // The scripts must not pass because they do nothing.
  EXPECT_GT(sum.rows, scripts * 10);
  EXPECT_GT(sum.crashes, scripts);
  EXPECT_GT(sum.finished_partitions, sum.replaced_partitions);
  EXPECT_GT(sum.take_overs, scripts / 10);
  EXPECT_GT(sum.gaps, scripts / 50);
  EXPECT_GT(sum.epochs, scripts / 50);
  EXPECT_GT(sum.dead_letters, scripts);
  EXPECT_GT(sum.rule_changes, scripts);
  EXPECT_GT(sum.decided_partitions, scripts / 10);
  EXPECT_GT(sum.replayed_rows, scripts);
  EXPECT_GT(sum.dead_replays, scripts / 10);
  EXPECT_GT(sum.states_believed, scripts / 5);
  EXPECT_GT(sum.states_refused, scripts / 10);
}

struct Breach {
  const char* name;
  Sabotage sabotage;
};

class BrokenVariant : public ExactlyOnce, public testing::WithParamInterface<Breach> {};

TEST_P(BrokenVariant, IsCaught) {
  active_sabotage = GetParam().sabotage;
  constexpr std::uint32_t k_scripts_max = 5'000;
  for (std::uint32_t seed = 1; seed <= k_scripts_max; ++seed) {
    try {
      static_cast<void>(Simulation(seed).run());
    } catch (const Violation& violation) {
      std::cout << GetParam().name << ": caught by script " << seed << ": " << violation.what()
                << '\n';
      return;
    }
  }
  FAIL() << GetParam().name << " was not noticed in " << k_scripts_max << " scripts";
}

INSTANTIATE_TEST_SUITE_P(
    ExactlyOnce, BrokenVariant,
    testing::Values(Breach{"NoBaseComparison", Sabotage::kNoBaseComparison},
                    Breach{"NoTokenCheck", Sabotage::kNoTokenCheck},
                    Breach{"OffsetsBeforeTable", Sabotage::kOffsetsBeforeTable},
                    Breach{"BlindPutRetry", Sabotage::kBlindPutRetry},
                    Breach{"NextOffByOne", Sabotage::kNextOffByOne},
                    Breach{"RevokeWithoutFlush", Sabotage::kRevokeWithoutFlush},
                    Breach{"NoUuidCheck", Sabotage::kNoUuidCheck},
                    Breach{"NoLookAtRows", Sabotage::kNoLookAtRows},
                    Breach{"NoRewind", Sabotage::kNoRewind},
                    Breach{"GapNotStated", Sabotage::kGapNotStated},
                    Breach{"EpochAtOldPosition", Sabotage::kEpochAtOldPosition},
                    Breach{"DeadLettersAfterMain", Sabotage::kDeadLettersAfterMain},
                    Breach{"DeadLettersTwice", Sabotage::kDeadLettersTwice},
                    Breach{"ClassificationNotFixed", Sabotage::kClassificationNotFixed},
                    Breach{"ReplayWithoutLook", Sabotage::kReplayWithoutLook},
                    Breach{"LostReplayAgain", Sabotage::kLostReplayAgain},
                    Breach{"UnvouchedState", Sabotage::kUnvouchedState}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace bronze::property
