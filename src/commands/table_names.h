#pragma once

#include <algorithm>
#include <string>

namespace bronze::commands {

/// `bronze_{topic}`
[[nodiscard]] inline std::string table_directory(const std::string& topic) {
  return "bronze_" + topic;
}

/// `dlq_bronze_{topic}`, its hyphens as underscores.
[[nodiscard]] inline std::string dead_letter_directory(const std::string& topic) {
  std::string directory = "dlq_bronze_" + topic;
  std::replace(directory.begin(), directory.end(), '-', '_');
  return directory;
}

}  // namespace bronze::commands
