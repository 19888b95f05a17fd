#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "decode/decoder.h"

namespace bronze::decode {

struct Accepted {};

/// The value names a schema of the registry that has not been fetched yet.
struct NeedsSchema {
  std::int32_t id;
};

using Verdict = std::variant<Accepted, RecordError, NeedsSchema>;

/// What became of fetching a schema from the registry.
enum class FetchStatus {
  /// kept: check() will not ask again, nor for an id that the registry does not know
  kFetched,
  /// worth another try
  kUnavailable,
};

struct FetchOutcome {
  FetchStatus status;
  std::string message;
};

/// Checks values of one topic against its schema. check: ingest thread, no I/O. fetch: blocks; any
/// worker, beside check.
class Validator {
 public:
  virtual ~Validator() = default;
  [[nodiscard]] virtual Verdict check(std::string_view value) = 0;
  [[nodiscard]] virtual FetchOutcome fetch(std::int32_t id) = 0;
};

}  // namespace bronze::decode
