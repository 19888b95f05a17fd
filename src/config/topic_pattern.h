#pragma once

#include <regex.h>

#include <memory>
#include <optional>
#include <string>

namespace bronze::config {

/// What a regular expression of KAFKA_TOPICS matches, by the rules of the service: librdkafka's,
/// which has the same library and flags and tells nobody of a fault, and k_unmatched_prefixes.
class TopicPattern {
 public:
  /// Compiles it; if it is wrong, `fault` says what is.
  explicit TopicPattern(const std::string& text);

  /// What is wrong with it; nullopt = nothing.
  [[nodiscard]] const std::optional<std::string>& fault() const { return fault_; }
  /// REQUIRES: !fault().
  [[nodiscard]] bool matches(const std::string& topic) const;

 private:
  struct Free {
    void operator()(regex_t* regex) const;
  };
  std::unique_ptr<regex_t, Free> regex_;
  std::optional<std::string> fault_;
};

}  // namespace bronze::config
