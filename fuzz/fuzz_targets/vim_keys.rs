//! `cargo +nightly fuzz run vim_keys`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| natter_fuzz::vim_keys(bytes));
