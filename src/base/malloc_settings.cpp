#include "base/malloc_settings.h"

#include <malloc.h>

namespace bronze {
namespace {

/// Each arena keeps what its threads freed: with one a thread, memory would grow with the threads.
constexpr int k_arenas = 2;
/// Large buffers go back to the system when they are freed. By itself malloc would come to keep
/// them, up to 32 MiB each, and fragment.
constexpr int k_own_mapping = 512 * 1024;
constexpr int k_kept = 2 * 1024 * 1024;

}  // namespace

void tune_malloc() {
  mallopt(M_ARENA_MAX, k_arenas);
  mallopt(M_MMAP_THRESHOLD, k_own_mapping);
  mallopt(M_TRIM_THRESHOLD, k_kept);
}

}  // namespace bronze
