#include "config/compression_config.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

namespace bronze::config {
namespace {

constexpr std::string_view k_name = "PARQUET_COMPRESSION";
constexpr std::string_view k_zstd_level = "zstd:";
constexpr std::uint64_t k_level_min = 1;
constexpr std::uint64_t k_level_max = 22;

constexpr auto k_codecs = std::to_array<std::pair<std::string_view, ParquetCodec>>({
    {"zstd", ParquetCodec::kZstd},
    {"snappy", ParquetCodec::kSnappy},
    {"lz4", ParquetCodec::kLz4},
    {"none", ParquetCodec::kNone},
});

}  // namespace

ParquetCompression read_compression(Reader& reader) {
  const std::string text = Reader::lower_case(reader.text(k_name));
  for (const auto& [name, codec] : k_codecs) {
    if (text == name) return {.codec = codec};
  }
  if (text.starts_with(k_zstd_level)) {
    const auto level = parse_whole_number(text.substr(k_zstd_level.size()));
    if (level && *level >= k_level_min && *level <= k_level_max) {
      return {.codec = ParquetCodec::kZstd, .level = static_cast<int>(*level)};
    }
  }
  reader.fail_value(k_name, "zstd, zstd:LEVEL with a level from 1 to 22, snappy, lz4 or none");
  return {};
}

std::string compression_text(const ParquetCompression& compression) {
  if (compression.codec == ParquetCodec::kZstd) {
    return std::string(k_zstd_level) + std::to_string(compression.level);
  }
  const auto* named = std::ranges::find(k_codecs, compression.codec,
                                        &std::pair<std::string_view, ParquetCodec>::second);
  return std::string(named->first);
}

}  // namespace bronze::config
