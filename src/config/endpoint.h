#pragma once

#include <string_view>

namespace bronze::config {

/// `http(s)://host[:port][/path]`, without user, query or fragment.
[[nodiscard]] bool is_endpoint(std::string_view url);

}  // namespace bronze::config
