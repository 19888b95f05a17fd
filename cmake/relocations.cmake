# Relocations in 30 KB instead of 2.3 MB, all of which would be read, and stay, when the program starts.
# GNU's linker marks such a program for glibc 2.36 and newer, which demands the mark; mold 1.10 does not.

include(CheckCXXSourceRuns)
set(bronze_small_relocations -fuse-ld=bfd -Wl,-z,pack-relative-relocs)
set(CMAKE_REQUIRED_LINK_OPTIONS ${bronze_small_relocations})
check_cxx_source_runs(
  "int main() { static int number; static int* volatile at = &number; return at == &number ? 0 : 1; }"
  BRONZE_HAS_SMALL_RELOCATIONS)
unset(CMAKE_REQUIRED_LINK_OPTIONS)
if(NOT BRONZE_HAS_SMALL_RELOCATIONS)
  set(bronze_small_relocations "")
endif()
