#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string_view>
#include <utility>

#include "decode/validator.h"

namespace bronze::fakes {

/// Refuses some values, always the same, and needs a schema for others.
class FakeValidator final : public decode::Validator {
 public:
  /// `taste`: which values it refuses. `registry_answers` is asked at each fetch.
  FakeValidator(std::size_t taste, std::function<bool()> registry_answers)
      : taste_(taste), registry_answers_(std::move(registry_answers)) {}

  [[nodiscard]] decode::Verdict check(std::string_view value) override {
    const std::size_t number = std::hash<std::string_view>{}(value) + taste_;
    const auto schema = static_cast<std::int32_t>(number % 3);
    if (schema != 0 && !fetched.contains(schema)) return decode::NeedsSchema{schema};
    if (number % 5 != 0) return decode::Accepted{};
    return decode::RecordError{decode::k_schema_validation_error, "not to the taste"};
  }

  [[nodiscard]] decode::FetchOutcome fetch(std::int32_t id) override {
    ++fetches;
    if (!registry_answers_()) return {decode::FetchStatus::kUnavailable, "no answer"};
    fetched.insert(id);
    return {decode::FetchStatus::kFetched, ""};
  }

  std::set<std::int32_t> fetched;
  int fetches = 0;

 private:
  const std::size_t taste_;
  const std::function<bool()> registry_answers_;
};

}  // namespace bronze::fakes
