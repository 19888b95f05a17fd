#pragma once

namespace bronze {

/// Of the process; what each says of a command is in its `--help`.
inline constexpr int k_done = 0;
inline constexpr int k_failed = 1;
inline constexpr int k_bad_usage = 2;
inline constexpr int k_could_not_tell = 3;
inline constexpr int k_not_all_written = 4;

}  // namespace bronze
