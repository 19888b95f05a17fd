#![no_main]

libfuzzer_sys::fuzz_target!(|value: &[u8]| bronze_bridge::fuzz::json_schema(value));
