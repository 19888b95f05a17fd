#include "config/endpoint.h"

#include <algorithm>
#include <cstddef>

#include "config/reader.h"

namespace bronze::config {

bool is_endpoint(std::string_view url) {
  const std::string lower = Reader::lower_case(url);
  const std::size_t scheme_size = lower.starts_with("https://") ? 8 : 7;
  if (!lower.starts_with("https://") && !lower.starts_with("http://")) return false;
  url.remove_prefix(scheme_size);
  const std::string_view authority = url.substr(0, url.find('/'));
  const bool is_clean = std::ranges::all_of(url, [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '@' && c != '?' && c != '#' && c != '\\';
  });
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (!is_clean || bracket == std::string_view::npos) return false;
  const std::size_t colon = authority.find(':', bracket);
  if (authority.substr(0, colon).empty()) return false;
  if (colon == std::string_view::npos) return true;
  const auto port = parse_whole_number(authority.substr(colon + 1));
  return port && *port >= 1 && *port <= 65535;
}

bool may_hold_password(std::string_view url) {
  return url.find_first_of("@?") != std::string_view::npos;
}

std::string without_query(std::string_view url) {
  const std::size_t query = url.find('?');
  return std::string(url.substr(0, query)) + (query == std::string_view::npos ? "" : "?***");
}

std::string told(const std::string& url) {
  return may_hold_password(url) ? "its value is not shown" : "it is " + shown(url);
}

}  // namespace bronze::config
