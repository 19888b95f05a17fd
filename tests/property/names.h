#pragma once

#include <sstream>
#include <string>
#include <vector>

namespace bronze::property {

inline constexpr const char* k_group = "group";

/// Of the table of a topic's dead letters; the topic's own bears its name.
inline std::string dead_letters_of(const std::string& topic) { return "dlq_" + topic; }

/// What a txn's name is made of.
inline std::vector<std::string> parts_of(const std::string& app_id) {
  std::istringstream text(app_id);
  std::string part;
  std::vector<std::string> parts;
  while (std::getline(text, part, '/')) parts.push_back(part);
  return parts;
}

}  // namespace bronze::property
