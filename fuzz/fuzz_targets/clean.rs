//! No text reaches a terminal with a control character in it: `cargo +nightly fuzz run clean`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::clean;

fuzz_target!(|raw: &str| {
    let text = clean::text(raw);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    assert_eq!(clean::text(&text), text, "cleaning twice is cleaning once");
    let line = clean::line(raw);
    assert!(!line.chars().any(char::is_control));
    for handle in proto::mention::handles(&text) {
        proto::check::handle(handle).expect("a mention is a handle");
    }
});
