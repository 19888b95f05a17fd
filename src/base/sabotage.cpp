#include "base/sabotage.h"

#ifdef BRONZE_TEST_HOOKS

#include <array>
#include <stdexcept>
#include <string>
#include <utility>

namespace bronze {

Sabotage sabotage_named(std::string_view name) {
  static constexpr std::array k_names = {
      std::pair{"no_base_comparison", Sabotage::kNoBaseComparison},
      std::pair{"no_token_check", Sabotage::kNoTokenCheck},
      std::pair{"offsets_before_table", Sabotage::kOffsetsBeforeTable},
      std::pair{"blind_put_retry", Sabotage::kBlindPutRetry},
      std::pair{"next_off_by_one", Sabotage::kNextOffByOne},
      std::pair{"revoke_without_flush", Sabotage::kRevokeWithoutFlush},
      std::pair{"no_uuid_check", Sabotage::kNoUuidCheck},
      std::pair{"no_look_at_rows", Sabotage::kNoLookAtRows},
      std::pair{"no_rewind", Sabotage::kNoRewind},
      std::pair{"gap_not_stated", Sabotage::kGapNotStated},
      std::pair{"epoch_at_old_position", Sabotage::kEpochAtOldPosition},
      std::pair{"dead_letters_after_main", Sabotage::kDeadLettersAfterMain},
      std::pair{"dead_letters_twice", Sabotage::kDeadLettersTwice},
      std::pair{"classification_not_fixed", Sabotage::kClassificationNotFixed},
      std::pair{"replay_without_look", Sabotage::kReplayWithoutLook},
      std::pair{"lost_replay_again", Sabotage::kLostReplayAgain},
  };
  for (const auto& [known, sabotage] : k_names) {
    if (name == known) return sabotage;
  }
  throw std::invalid_argument("no such sabotage: " + std::string(name));
}

}  // namespace bronze

#endif
