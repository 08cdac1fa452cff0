//! `cargo +nightly fuzz run client_frame`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| natter_fuzz::client_frame(bytes));
