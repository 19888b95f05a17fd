#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "decode/validator.h"

namespace bronze::fakes {

/// Whether a value is not to a taste.
inline bool is_refused(std::string_view value, std::size_t taste) {
  return (std::hash<std::string_view>{}(value) + taste) % 5 == 0;
}

/// Refuses some values, always the same, and needs a schema for others.
class FakeValidator final : public decode::Validator {
 public:
  /// `taste`: which values it refuses. `registry_answers` is asked at each fetch.
  FakeValidator(std::size_t taste, std::function<bool()> registry_answers, std::size_t schemas = 3)
      : taste_(taste), registry_answers_(std::move(registry_answers)), schemas_(schemas) {}

  [[nodiscard]] decode::Verdict check(std::string_view value) override {
    const std::size_t number = std::hash<std::string_view>{}(value) + taste_;
    const auto schema = static_cast<std::int32_t>(number % schemas_);
    if (schema != 0 && !fetched.contains(schema)) return decode::NeedsSchema{schema};
    if (!is_refused(value, taste_)) return decode::Accepted{};
    return decode::RecordError{decode::k_schema_validation_error, "not to the taste"};
  }

  [[nodiscard]] std::vector<decode::FetchOutcome> fetch(
      std::span<const std::int32_t> ids) override {
    ++fetches;
    std::vector<decode::FetchOutcome> outcomes;
    auto status = decode::FetchStatus::kFetched;
    for (const std::int32_t id : ids) {
      if (status != decode::FetchStatus::kFetched) {
        status = decode::FetchStatus::kNotAsked;
      } else if (registry_answers_()) {
        fetched.insert(id);
      } else {
        status = decode::FetchStatus::kUnavailable;
      }
      outcomes.push_back(
          {id, status, status == decode::FetchStatus::kUnavailable ? "no answer" : ""});
    }
    return outcomes;
  }

  std::set<std::int32_t> fetched;
  int fetches = 0;

 private:
  const std::size_t taste_;
  const std::function<bool()> registry_answers_;
  const std::size_t schemas_;
};

}  // namespace bronze::fakes
