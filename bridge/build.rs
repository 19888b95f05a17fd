//! Generates and compiles the C++ half of the border that `src/lib.rs` declares.

fn main() {
    cxx_build::bridge("src/lib.rs")
        .include("../src")
        .std("c++20")
        .compile("bronze_bridge_cxx");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/lib.rs");
    println!("cargo:rerun-if-changed=../src/batch/arrow_c_data.h");
}
