# The Rust crate: cargo decides what to rebuild, CMake asks it each time and relinks when the
# library changed.

if(NOT BRONZE_BRIDGE)
  return()
endif()

set(bridge_target_dir ${CMAKE_SOURCE_DIR}/build/bridge)
set(bridge_library ${bridge_target_dir}/release/libbronze_bridge.a)
set(bridge_include ${bridge_target_dir}/cxxbridge)
file(MAKE_DIRECTORY ${bridge_include})

add_custom_target(bridge_cargo
  COMMAND cargo build --release --locked --manifest-path ${CMAKE_SOURCE_DIR}/bridge/Cargo.toml
          --target-dir ${bridge_target_dir}
  BYPRODUCTS ${bridge_library} ${bridge_include}/bronze-bridge/src/lib.rs.h
  USES_TERMINAL VERBATIM)

add_library(bronze_bridge STATIC IMPORTED GLOBAL)
set_target_properties(bronze_bridge PROPERTIES
  IMPORTED_LOCATION ${bridge_library}
  INTERFACE_INCLUDE_DIRECTORIES ${bridge_include}
  INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};m")
add_dependencies(bronze_bridge bridge_cargo)
