//! `cargo +nightly fuzz run server_frame`
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| natter_fuzz::server_frame(bytes));
