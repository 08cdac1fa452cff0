//! `cargo +nightly fuzz run clean`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| natter_fuzz::clean_text(bytes));
