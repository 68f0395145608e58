#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| knee_files::fuzz::ecosystem(text));
