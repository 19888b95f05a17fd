#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/event_log.h"

namespace bronze::observe {

/// What a path answers with.
struct Page {
  int status = 200;
  std::string content_type;
  std::string body;
  /// Each with the end of its line.
  std::string more_headers = {};
};

/// By path.
using Pages = std::map<std::string, std::function<Page()>, std::less<>>;

/// How the head of a request ended.
enum class Head { kComplete, kUriTooLarge, kHeadersTooLarge, kTooSlow };

/// The whole answer. `line` is the first one of a complete head, without its end. If a page throws,
/// the log says so and the answer is 500.
[[nodiscard]] std::string answer_to(const Pages& pages, EventLog& log, Head head,
                                    std::string_view line);

}  // namespace bronze::observe
