#include "config/topic_pattern.h"

#include <algorithm>
#include <array>

#include "config/config.h"

namespace bronze::config {

void TopicPattern::Free::operator()(regex_t* regex) const {
  regfree(regex);
  delete regex;
}

TopicPattern::TopicPattern(const std::string& text) {
  auto compiled = std::make_unique<regex_t>();
  const int error = regcomp(compiled.get(), text.c_str(), REG_EXTENDED | REG_NOSUB);
  if (error == 0) {
    regex_.reset(compiled.release());
    return;
  }
  std::array<char, 256> message{};
  regerror(error, compiled.get(), message.data(), message.size());
  fault_ = message.data();
}

bool TopicPattern::matches(const std::string& topic) const {
  if (std::ranges::any_of(k_unmatched_prefixes,
                          [&](std::string_view prefix) { return topic.starts_with(prefix); })) {
    return false;
  }
  return regexec(regex_.get(), topic.c_str(), 0, nullptr, 0) == 0;
}

}  // namespace bronze::config
