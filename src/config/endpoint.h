#pragma once

#include <string>
#include <string_view>

namespace bronze::config {

/// `http(s)://host[:port][/path]`, without user, query or fragment.
[[nodiscard]] bool is_endpoint(std::string_view url);

/// It has a user or a query.
[[nodiscard]] bool may_hold_password(std::string_view url);

/// What may be shown of a URL without a user: all but its query.
[[nodiscard]] std::string without_query(std::string_view url);

/// What a message about a malformed URL says of it: `it is 'URL'`, or that it is not shown since it
/// may hold a password.
[[nodiscard]] std::string told(const std::string& url);

}  // namespace bronze::config
