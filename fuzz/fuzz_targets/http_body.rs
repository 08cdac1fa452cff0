//! `cargo +nightly fuzz run http_body`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| natter_fuzz::http_body(bytes));
