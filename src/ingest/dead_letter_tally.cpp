#include "ingest/dead_letter_tally.h"

#include <fmt/format.h>

namespace bronze::ingest {

void DeadLetterTally::add(const batch::DeadLetter& letter) {
  if (count++ == 0) {
    example = fmt::format("partition {} offset {}: {}: {}", number(letter.partition),
                          letter.offset.value, letter.error_type, letter.error_message);
  }
  auto known = by_type.find(letter.error_type);
  if (known == by_type.end()) known = by_type.emplace(letter.error_type, 0).first;
  ++known->second;
}

void DeadLetterTally::add(const DeadLetterTally& later) {
  if (count == 0) example = later.example;
  count += later.count;
  for (const auto& [type, more] : later.by_type) by_type[type] += more;
}

std::string DeadLetterTally::text() const {
  std::string types;
  for (const auto& [type, of_it] : by_type) {
    types += fmt::format("{}{} {}", types.empty() ? "" : ", ", of_it, type);
  }
  return fmt::format("{} dead letter{} ({})", count, count == 1 ? "" : "s", types);
}

}  // namespace bronze::ingest
