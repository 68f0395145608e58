#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| knee_audit::fuzz::image(text));
