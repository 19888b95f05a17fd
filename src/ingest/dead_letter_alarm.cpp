#include "ingest/dead_letter_alarm.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <string>

namespace bronze::ingest {

void DeadLetterAlarm::note(const batch::DeadLetter& letter, SteadyTime now) {
  constexpr std::chrono::minutes k_pause{1};
  if (said_at_ && now - *said_at_ < k_pause) {
    ++unsaid_;
    return;
  }
  said_at_ = now;
  const std::string others =
      unsaid_ == 0 ? "" : ". So did " + std::to_string(unsaid_) + " others since the last one";
  spdlog::warn("{}: partition {} offset {} goes to the dead letters: {}: {}{}", topic_,
               number(letter.partition), letter.offset.value, letter.error_type,
               letter.error_message, others);
  unsaid_ = 0;
}

}  // namespace bronze::ingest
