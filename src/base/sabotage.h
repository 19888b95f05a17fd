#pragma once

#ifdef BRONZE_WITHOUT_HOOKS
#error "add the file that includes this to hooked_sources in CMakeLists.txt"
#endif

#include <string_view>

namespace bronze {

/// Deliberate breaches of the exactly-once rule, to show that the tests notice each.
enum class Sabotage {
  kNone,
  kNoBaseComparison,
  kNoTokenCheck,
  kOffsetsBeforeTable,
  kBlindPutRetry,
  kNextOffByOne,
  kRevokeWithoutFlush,
  kNoUuidCheck,
  kNoLookAtRows,
  kNoRewind,
  kGapNotStated,
  kEpochAtOldPosition,
  kDeadLettersAfterMain,
  kDeadLettersTwice,
  kClassificationNotFixed,
  kReplayWithoutLook,
  kLostReplayAgain,
  /// Of the fake table alone: where a state is judged, no C++ is.
  kUnvouchedState,
};

#ifdef BRONZE_TEST_HOOKS
/// Set by a test before it starts any thread.
inline Sabotage active_sabotage = Sabotage::kNone;
/// `no_base_comparison` is kNoBaseComparison, and so on.
/// Throws std::invalid_argument for what is no such name.
[[nodiscard]] Sabotage sabotage_named(std::string_view name);
[[nodiscard]] inline bool sabotaged(Sabotage breach) { return active_sabotage == breach; }
#else
[[nodiscard]] constexpr bool sabotaged(Sabotage /*breach*/) { return false; }
#endif

}  // namespace bronze
