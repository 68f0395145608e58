#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| knee_profile::fuzz::pprof(bytes));
