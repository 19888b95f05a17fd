# What the program stands on: Debian's packages, and the librdkafka that scripts/bootstrap has built
# into .deps.

set(ENV{PKG_CONFIG_PATH} "${CMAKE_SOURCE_DIR}/.deps/librdkafka/lib/pkgconfig:$ENV{PKG_CONFIG_PATH}")
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(simdjson REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka>=2.12)
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)

# Into the program itself, so that its settings are the ones that were tried with it.
find_library(BRONZE_JEMALLOC NAMES libjemalloc_pic.a REQUIRED)

add_library(bronze_dependencies INTERFACE)
target_link_libraries(bronze_dependencies INTERFACE
  PkgConfig::rdkafka spdlog::spdlog CLI11::CLI11 simdjson::simdjson
  nlohmann_json::nlohmann_json PkgConfig::httplib OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
