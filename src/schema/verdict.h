#pragma once

#include <cstdint>
#include <exception>
#include <string_view>

#include "base/format_checks.h"
#include "bronze-bridge/src/lib.rs.h"
#include "decode/validator.h"

namespace bronze::schema {

[[nodiscard]] decode::Verdict from_bridge(const bridge::CheckResult& result);
[[nodiscard]] decode::FetchStatus from_bridge(bridge::FetchStatus status);
/// The check itself failed: a library's fault.
[[nodiscard]] decode::Verdict check_failed(const std::exception& failure);

/// What a check of the bridge comes to. One that fails makes a dead letter: so the record is kept,
/// and the others go on.
template <typename Check>
[[nodiscard]] decode::Verdict verdict_of(const Check& check) {
  try {
    return from_bridge(check());
  } catch (const std::exception& failure) {
    return check_failed(failure);
  }
}

[[nodiscard]] bridge::FormatChecks to_bridge(FormatChecks formats);

/// The same bytes.
[[nodiscard]] rust::Slice<const std::uint8_t> bytes_of(std::string_view text);

}  // namespace bronze::schema
