//! What must hold for any bytes. Each function here is a fuzz target of the same name, and the
//! ordinary tests call it with every input of its corpus (`crates/natter/tests/it/corpora.rs`).

use proto::{Codec, check, clean, http};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vim::{Editor, Key, Mode, keys_from_notation};

/// A target: its name, which is the name of its corpus too, and what it does.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: &[Target] = &[
    ("clean", clean_text),
    ("client_frame", client_frame),
    ("http_body", http_body),
    ("server_frame", server_frame),
    ("vim_keys", vim_keys),
];

/// Keys that one input of `vim_keys` presses. What is behind them is not pressed: macros make long
/// inputs slow, not different.
const KEYS_MAX: usize = 64;
/// Digits in a row that `vim_keys` presses: huge counts are slow, and the editor's own tests have
/// them.
const COUNT_DIGITS_MAX: usize = 2;
/// Characters of the text that `vim_keys` begins with; the rest is cut off.
const TEXT_CHARS_MAX: usize = 256;

/// What a gateway does with the bytes of a stranger.
pub fn client_frame(bytes: &[u8]) {
    for codec in [Codec::Protobuf, Codec::Json] {
        if let Ok(frame) = codec.read_client(bytes) {
            let again = codec.read_client(&codec.write_client(&frame));
            assert_eq!(again.as_ref(), Ok(&frame), "what is read can be written and read again");
        }
    }
}

/// What a client does with the bytes of a hostile server.
pub fn server_frame(bytes: &[u8]) {
    for codec in [Codec::Protobuf, Codec::Json] {
        if let Ok(frame) = codec.read_server(bytes) {
            let again = codec.read_server(&codec.write_server(&frame));
            assert_eq!(again.as_ref(), Ok(&frame), "what is read can be written and read again");
        }
    }
}

/// No text reaches a terminal with a control character in it.
pub fn clean_text(bytes: &[u8]) {
    let raw = String::from_utf8_lossy(bytes);
    let text = clean::text(&raw);
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
    assert_eq!(clean::text(&text), text, "cleaning twice is cleaning once");
    let line = clean::line(&raw);
    assert!(!line.chars().any(char::is_control));
    for handle in proto::mention::handles(&text) {
        check::handle(handle).expect("a mention is a handle");
    }
}

/// The bodies of all HTTP calls, as server and client read them, and the checks behind.
pub fn http_body(bytes: &[u8]) {
    if let Some(signup) = read::<http::Signup>(bytes) {
        let name = signup.name.as_deref().unwrap_or(&signup.handle);
        let sound = check::handle(&signup.handle).is_ok()
            && check::name(name).is_ok()
            && check::password(&signup.password).is_ok()
            && signup.email.as_deref().is_none_or(|email| check::email(email).is_ok())
            && signup.device.as_deref().is_none_or(|device| check::device(device).is_ok());
        if sound {
            assert_eq!(clean::line(name), name, "a name that passes needs no cleaning");
            assert!(signup.handle.is_ascii());
        }
    }
    read::<http::Login>(bytes);
    read::<http::PasswordChange>(bytes);
    read::<http::SessionGranted>(bytes);
    read::<Vec<http::SessionInfo>>(bytes);
    read::<http::Problem>(bytes);
}

/// What is read can be written, and reads the same again.
fn read<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    let written = serde_json::to_vec(&value).expect("these types always have a JSON form");
    let again: T = serde_json::from_slice(&written).expect("what was written is read");
    assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
    Some(value)
}

/// A text, a zero byte, and keys in `<Esc>` notation that are pressed over it.
pub fn vim_keys(bytes: &[u8]) {
    let (text, keys) = match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (&b"one two\n(three) \"four\"\n"[..], bytes),
    };
    let text: String = String::from_utf8_lossy(text).chars().take(TEXT_CHARS_MAX).collect();
    let mut editor = Editor::new(&text);
    let mut digits = 0;
    for key in keys_from_notation(&String::from_utf8_lossy(keys)).into_iter().take(KEYS_MAX) {
        digits = if matches!(key, Key::Char('0'..='9')) { digits + 1 } else { 0 };
        if digits > COUNT_DIGITS_MAX {
            continue;
        }
        editor.press(key);
        let (row, col) = editor.cursor();
        assert!(row < editor.line_count(), "the cursor is on a line");
        assert!(col <= editor.line(row).chars().count(), "the cursor is in the line");
        assert!(editor.text().len() <= vim::limits::TEXT_BYTES_MAX + 1_024);
        if let Some(selection) = editor.selection() {
            assert!(selection.first.0 <= selection.last.0);
        }
    }
    // As in Vim each Esc only goes on with the repeats of an insert that broke off: `8o<C-r><C-o>z`
    // with an empty register.
    for _ in 0..=10_usize.pow(COUNT_DIGITS_MAX as u32) {
        editor.press(Key::Esc);
        if editor.mode() == Mode::Normal {
            break;
        }
    }
    editor.press(Key::Esc);
    if editor.recording().is_some() {
        editor.press(Key::Char('q'));
    }
    // The keys may have undone something themselves, so the last text is ahead.
    press_to_the_end(&mut editor, Key::Ctrl('r'));
    let last = editor.text();
    press_to_the_end(&mut editor, Key::Char('u'));
    press_to_the_end(&mut editor, Key::Ctrl('r'));
    assert_eq!(editor.text(), last, "redo brings back what undo took");
}

/// Until there is nothing more to undo or to redo, which beeps.
fn press_to_the_end(editor: &mut Editor, key: Key) {
    for _ in 0..=vim::limits::UNDO_STEPS_MAX {
        let beeps = editor.beeps();
        editor.press(key);
        if editor.beeps() > beeps {
            return;
        }
    }
}
