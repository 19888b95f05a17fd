#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "config/config.h"

namespace bronze::config {

/// How long a topic's name may be for its tables to have a place in the store.
[[nodiscard]] std::size_t topic_bytes_max(const StoreConfig& store);

/// `bronze_{topic}`
[[nodiscard]] std::string table_directory(const std::string& topic);

/// `dlq_bronze_{topic}`, hyphens become underscores.
[[nodiscard]] std::string dead_letter_directory(const std::string& topic);

/// Which topic has which tables: no two share one. First come, first served, for good: the tables
/// of a topic that was deleted stay. Owned by whoever takes topics in.
class TopicTables {
 public:
  explicit TopicTables(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Gives the topic its tables; otherwise why it cannot have them.
  [[nodiscard]] std::optional<std::string> claim(const std::string& topic);

 private:
  const std::size_t bytes_max_;
  std::map<std::string, std::string> topic_of_dead_letters_;
};

}  // namespace bronze::config
