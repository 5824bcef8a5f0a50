//! See rivet-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rivet_fuzz::fuzz("json", input));
