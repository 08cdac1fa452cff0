//! The terminal's clipboard, by the sequence OSC 52: it works over SSH too, and asks nobody. Only
//! written, and only when the user yanks to `"+`: what it holds is not read.

use std::io;

use crossterm::execute;
use crossterm::style::Print;

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn copy(text: &str) -> io::Result<()> {
    execute!(io::stdout(), Print(sequence(text)))
}

/// Nothing of the text can end the sequence: base64 has no control characters.
fn sequence(text: &str) -> String {
    format!("\u{1b}]52;c;{}\u{1b}\\", base64(text.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clipboard_gets_base64_and_nothing_else() {
        // the test vectors of RFC 4648
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (text, letters) in vectors {
            assert_eq!(base64(text.as_bytes()), letters);
        }
        let hostile = sequence("\u{7}\u{1b}\\\u{1b}]0;x");
        assert_eq!(hostile.matches('\u{1b}').count(), 2);
        assert!(!hostile.contains('\u{7}'));
    }
}
