#pragma once

namespace bronze {

enum class ParquetCodec { kZstd, kSnappy, kLz4, kNone };

/// How new data files are compressed.
struct ParquetCompression {
  ParquetCodec codec = ParquetCodec::kZstd;
  /// Of kZstd.
  int level = 1;

  friend bool operator==(const ParquetCompression&, const ParquetCompression&) = default;
};

}  // namespace bronze
