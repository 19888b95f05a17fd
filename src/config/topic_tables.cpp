#include "config/topic_tables.h"

#include <algorithm>
#include <string_view>

#include "config/reader.h"

namespace bronze::config {
namespace {

/// Kafka's own limit.
constexpr std::size_t k_topic_bytes_max = 249;
/// What a file name can hold, less the longest prefix of a table.
constexpr std::size_t k_local_topic_bytes_max = 255 - std::string_view("dlq_bronze_").size();

}  // namespace

std::size_t topic_bytes_max(const StoreConfig& store) {
  return store.base_uri.starts_with("file://") ? k_local_topic_bytes_max : k_topic_bytes_max;
}

std::string table_directory(const std::string& topic) { return "bronze_" + topic; }

std::string dead_letter_directory(const std::string& topic) {
  std::string directory = "dlq_bronze_" + topic;
  std::ranges::replace(directory, '-', '_');
  return directory;
}

std::optional<std::string> TopicTables::claim(const std::string& topic) {
  if (topic.size() > bytes_max_) {
    return "expected names of at most " + std::to_string(bytes_max_) +
           " characters on a local DELTA_BASE_PATH, since the table is a directory; one is " +
           shown(topic);
  }
  const std::string table = dead_letter_directory(topic);
  const auto [other, is_new] = topic_of_dead_letters_.emplace(table, topic);
  if (is_new || other->second == topic) return std::nullopt;
  return shown(other->second) + " and " + shown(topic) + " would share the dead-letter table " +
         table;
}

}  // namespace bronze::config
