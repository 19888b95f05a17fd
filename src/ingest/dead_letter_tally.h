#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "batch/dead_letters.h"

namespace bronze::ingest {

/// Dead letters, counted. A value.
struct DeadLetterTally {
  std::uint64_t count = 0;
  /// By error_type.
  std::map<std::string, std::uint64_t, std::less<>> by_type;
  /// The first of them: where it is, and why.
  std::string example;

  void add(const batch::DeadLetter& letter);
  void add(const DeadLetterTally& later);
  /// `3 dead letters (2 ENCODING_ERROR, 1 JSON_PARSE_ERROR)`
  [[nodiscard]] std::string text() const;
};

}  // namespace bronze::ingest
