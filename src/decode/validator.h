#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "decode/record_error.h"

namespace bronze::decode {

struct Accepted {};
/// The value names a schema of the registry that has not been fetched yet.
struct NeedsSchema {
  std::int32_t id;
};
using Verdict = std::variant<Accepted, RecordError, NeedsSchema>;

/// What became of fetching a schema from the registry.
enum class FetchStatus {
  /// Kept: check() will not ask again, nor for an id that the registry does not know.
  kFetched,
  /// No answer: worth another try.
  kUnavailable,
  /// Others got no answer, or took too long.
  kNotAsked,
};
struct FetchOutcome {
  std::int32_t id;
  FetchStatus status;
  std::string message;
};

/// Checks values of one topic against its schema. check: ingest thread, no I/O. fetch: blocks; any
/// worker, beside check.
class Validator {
 public:
  virtual ~Validator() = default;
  [[nodiscard]] virtual Verdict check(std::string_view value) = 0;
  /// One outcome for each of `ids`, in their order. The first one is always asked for.
  [[nodiscard]] virtual std::vector<FetchOutcome> fetch(std::span<const std::int32_t> ids) = 0;
};

}  // namespace bronze::decode
