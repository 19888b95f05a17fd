#include "base/resident_code.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>

namespace bronze {
namespace {

constexpr std::chrono::seconds k_first{10};
constexpr std::chrono::seconds k_then{60};

/// What is never written to is the same in the file: only that may be dropped. (The linker puts
/// what the loader relocates into a writable segment, also where it is protected later.)
int drop_segments(dl_phdr_info* object, std::size_t /*size*/, void* /*nothing*/) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) continue;
    const std::uintptr_t at = object->dlpi_addr + segment.p_vaddr;
    const std::uintptr_t begin = (at + page - 1) / page * page;
    const std::uintptr_t end = (at + segment.p_memsz) / page * page;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader tells addresses as numbers
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
  return 0;
}

}  // namespace

void drop_resident_code() { dl_iterate_phdr(drop_segments, nullptr); }

ResidentCodeTrim::ResidentCodeTrim()
    : thread_([this](const std::stop_token& stop) {
        auto pause = k_first;
        std::unique_lock lock(mutex_);
        while (!stopped_.wait_for(lock, stop, pause, [&] { return stop.stop_requested(); })) {
          drop_resident_code();
          pause = k_then;
        }
      }) {}

}  // namespace bronze
