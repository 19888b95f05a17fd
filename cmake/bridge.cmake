# The Rust crate: cargo decides what to rebuild, CMake asks it each time and relinks when the
# library changed.

if(NOT BRONZE_BRIDGE)
  return()
endif()

set(bridge_target_dir ${CMAKE_SOURCE_DIR}/build/bridge)
set(bridge_library ${bridge_target_dir}/release/libbronze_bridge.a)
set(bridge_generated ${bridge_target_dir}/cxxbridge)
set(bridge_include ${CMAKE_BINARY_DIR}/bridge)
set(bridge_header bronze-bridge/src/lib.rs.h)
file(MAKE_DIRECTORY ${bridge_include}/bronze-bridge/src)

add_custom_target(bridge_cargo
  COMMAND cargo build --release --locked --manifest-path ${CMAKE_SOURCE_DIR}/bridge/Cargo.toml
          --target-dir ${bridge_target_dir}
  # A copy: what an interrupted ninja removes, cargo would take for still there.
  COMMAND ${CMAKE_COMMAND} -E copy_if_different
          ${bridge_generated}/${bridge_header} ${bridge_include}/${bridge_header}
  BYPRODUCTS ${bridge_library} ${bridge_include}/${bridge_header}
  USES_TERMINAL VERBATIM)

add_library(bronze_bridge STATIC IMPORTED GLOBAL)
set_target_properties(bronze_bridge PROPERTIES
  IMPORTED_LOCATION ${bridge_library}
  INTERFACE_INCLUDE_DIRECTORIES ${bridge_include}
  INTERFACE_LINK_LIBRARIES "Threads::Threads;${CMAKE_DL_LIBS};m")
add_dependencies(bronze_bridge bridge_cargo)
