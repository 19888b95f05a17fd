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
find_library(BRONZE_PROMETHEUS NAMES prometheus-cpp-core REQUIRED)
pkg_check_modules(rdkafka REQUIRED IMPORTED_TARGET rdkafka>=2.12)

# Into the program itself, so that its settings are the ones that were tried with it.
find_library(BRONZE_JEMALLOC NAMES libjemalloc_pic.a REQUIRED)

# librdkafka goes into the program too, and loads libcurl and libsasl2 when it needs them.
find_library(BRONZE_RDKAFKA NAMES librdkafka.a HINTS ${rdkafka_LIBRARY_DIRS} REQUIRED)
add_library(bronze_late_libraries STATIC ${CMAKE_SOURCE_DIR}/src/kafka/late/late_libraries.cpp)
target_link_libraries(bronze_late_libraries PRIVATE bronze_options spdlog::spdlog)
add_library(bronze_rdkafka INTERFACE)
target_include_directories(bronze_rdkafka SYSTEM INTERFACE ${rdkafka_INCLUDE_DIRS})
target_link_libraries(bronze_rdkafka INTERFACE
  ${BRONZE_RDKAFKA} bronze_late_libraries
  -Wl,--push-state,--as-needed -lcurl -lsasl2 -Wl,--pop-state
  lz4 zstd z m OpenSSL::SSL OpenSSL::Crypto Threads::Threads ${CMAKE_DL_LIBS})

add_library(bronze_dependencies INTERFACE)
target_link_libraries(bronze_dependencies INTERFACE
  bronze_rdkafka spdlog::spdlog CLI11::CLI11 simdjson::simdjson
  nlohmann_json::nlohmann_json ${BRONZE_PROMETHEUS} OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
