#include "schema/schema_folder.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

namespace bronze::schema {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t k_document_bytes_max = std::uintmax_t{4} * 1024 * 1024;

struct Ending {
  std::string_view text;
  SchemaLanguage language;
};

constexpr auto k_endings = std::to_array<Ending>({{".json", SchemaLanguage::kJsonSchema},
                                                  {".avsc", SchemaLanguage::kAvro},
                                                  {".proto", SchemaLanguage::kProtobuf},
                                                  {".desc", SchemaLanguage::kProtobuf},
                                                  {".binpb", SchemaLanguage::kProtobuf}});

/// What the original service calls the schema files of its topics.
constexpr auto k_original_names = std::to_array<std::pair<std::string_view, std::string_view>>({
    {"gps_pings", "gps_ping_event.json"},
    {"trips", "trip_event.json"},
    {"driver_status", "driver_status_event.json"},
    {"surge_updates", "surge_update_event.json"},
    {"ratings", "rating_event.json"},
    {"payments", "payment_event.json"},
    {"driver_profiles", "driver_profile_event.json"},
    {"rider_profiles", "rider_profile_event.json"},
});

std::vector<SchemaFile> candidates(const std::string& topic) {
  std::vector<SchemaFile> files;
  for (const Ending& ending : k_endings) {
    files.push_back({.language = ending.language, .name = topic + std::string(ending.text)});
  }
  const auto* original = std::ranges::find(k_original_names, topic,
                                           &std::pair<std::string_view, std::string_view>::first);
  if (original != k_original_names.end()) {
    files.push_back(
        {.language = SchemaLanguage::kJsonSchema, .name = std::string(original->second)});
  }
  return files;
}

SchemaFault unreadable(std::string file, const std::error_code& error) {
  return {.file = std::move(file), .place = "", .message = "cannot be read: " + error.message()};
}

std::variant<Document, SchemaFault> read(const fs::path& path) {
  const std::string name = path.filename().string();
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  if (error) return unreadable(name, error);
  if (bytes > k_document_bytes_max) {
    return SchemaFault{.file = name,
                       .place = "",
                       .message = std::to_string(bytes) + " bytes are too many for a schema: " +
                                  "expected at most " + std::to_string(k_document_bytes_max)};
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad()) {
    return unreadable(name, std::error_code(errno, std::generic_category()));
  }
  return Document{.name = name, .text = std::move(text)};
}

}  // namespace

SchemaFolder::Found SchemaFolder::find(const std::string& topic) const {
  std::error_code error;
  // Opening it finds out more than asking whether it is there.
  fs::directory_iterator opened(path_, error);
  if (error) return unreadable(path_.string(), error);
  std::optional<SchemaFile> found;
  for (SchemaFile& candidate : candidates(topic)) {
    const auto status = fs::status(path_ / candidate.name, error);
    if (!fs::status_known(status)) return unreadable(candidate.name, error);
    if (!fs::exists(status)) continue;
    if (fs::is_directory(status)) {
      return SchemaFault{.file = candidate.name, .place = "", .message = "is a directory"};
    }
    if (found) {
      return SchemaFault{.file = candidate.name,
                         .place = "",
                         .message = "and " + found->name + " are both schemas of the topic " +
                                    topic + "; remove one"};
    }
    found = std::move(candidate);
  }
  if (!found) return NoSchema{};
  return *std::move(found);
}

SchemaFolder::Documents SchemaFolder::documents(std::string_view ending) const {
  std::error_code error;
  fs::directory_iterator entry(path_, error);
  std::vector<fs::path> paths;
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code no_status;
    if (!entry->path().filename().string().ends_with(ending)) continue;
    if (entry->is_directory(no_status)) continue;
    paths.push_back(entry->path());
  }
  if (error) return unreadable(path_.string(), error);
  std::ranges::sort(paths);
  std::vector<Document> documents;
  for (const fs::path& path : paths) {
    auto document = read(path);
    if (auto* fault = std::get_if<SchemaFault>(&document)) return std::move(*fault);
    documents.push_back(std::get<Document>(std::move(document)));
  }
  return documents;
}

}  // namespace bronze::schema
