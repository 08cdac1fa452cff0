//! What a terminal sends, as keys: bytes in, keys and pastes out. Pure, so that every sequence can
//! be tried without a terminal.
//!
//! It is our own because a chat's keys are text of its user: two Esc in one read are two, an Esc
//! that nothing follows is one after a moment and not at the next key, and the terminal's answer to
//! a question of ours is told apart from keys instead of being waited for.
//! `docs/decisions/0010-our-own-keyboard.md`.

use crate::keys::Key;
use crate::limits::{PASTE_BYTES_MAX, SEQUENCE_BYTES_MAX};

/// What came from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Key(Key),
    /// One block, never keys.
    Paste(String),
    Focus(bool),
    /// The answer to [`ASK`]: the terminal knows the kitty keyboard protocol.
    Kitty,
    /// The answer that every terminal gives, and the last.
    Attributes,
}

/// Asks for the keyboard protocol, and then for what every terminal answers.
pub const ASK: &str = "\u{1b}[?u\u{1b}[c";

const ESC: u8 = 0x1b;
const PASTE_END: &[u8] = b"\x1b[201~";

/// Keeps what was begun from one read to the next.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    paste: Option<Vec<u8>>,
}

/// What stands at the beginning of the bytes.
enum Step {
    /// So many bytes are these.
    Whole(usize, Vec<Told>),
    Paste(usize),
    /// More may follow.
    Beginning,
}

impl Decoder {
    /// What these bytes complete, in order.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Told> {
        self.bytes.extend_from_slice(bytes);
        self.decode(false)
    }

    /// Nothing came for a moment: what looks like the beginning of a sequence was pressed so.
    pub fn settle(&mut self) -> Vec<Told> {
        self.decode(true)
    }

    /// A moment decides what the bytes mean. A paste that goes on is waited for without an end.
    pub fn is_waiting(&self) -> bool {
        self.paste.is_none() && !self.bytes.is_empty()
    }

    fn decode(&mut self, late: bool) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            if self.paste.is_some() {
                match self.take_paste() {
                    Some(text) => told.push(Told::Paste(text)),
                    None => return told,
                }
            }
            if self.bytes.is_empty() {
                return told;
            }
            match step(&self.bytes, late) {
                Step::Whole(len, found) => {
                    self.bytes.drain(..len);
                    told.extend(found);
                }
                Step::Paste(len) => {
                    self.bytes.drain(..len);
                    self.paste = Some(Vec::new());
                }
                Step::Beginning => return told,
            }
        }
    }

    /// Moves bytes over to the paste; the whole text once its end has come.
    fn take_paste(&mut self) -> Option<String> {
        let paste = self.paste.get_or_insert_default();
        let end = self.bytes.windows(PASTE_END.len()).position(|window| window == PASTE_END);
        // the end may be cut in two by the end of a read
        let len = end.unwrap_or(self.bytes.len().saturating_sub(PASTE_END.len() - 1));
        let room = PASTE_BYTES_MAX.saturating_sub(paste.len());
        paste.extend(&self.bytes[..len.min(room)]);
        self.bytes.drain(..len);
        end?;
        self.bytes.drain(..PASTE_END.len());
        let paste = self.paste.take().unwrap_or_default();
        Some(String::from_utf8_lossy(&paste).into_owned())
    }
}

fn key(len: usize, key: Key) -> Step {
    Step::Whole(len, vec![Told::Key(key)])
}

fn nothing(len: usize) -> Step {
    Step::Whole(len, Vec::new())
}

fn step(bytes: &[u8], late: bool) -> Step {
    match bytes {
        [ESC] if !late => Step::Beginning,
        [ESC] | [ESC, ESC, ..] => key(1, Key::Esc),
        [ESC, b'[', ..] => sequence(bytes, late),
        [ESC, b'O', ..] => single_shift(bytes, late),
        // Alt-Enter is one key everywhere; any other Alt was a fast Esc
        [ESC, b'\r' | b'\n', ..] => key(2, Key::NewLine),
        [ESC, ..] => key(1, Key::Esc),
        [byte @ (0..=0x1f | 0x7f), ..] => key(1, control(*byte)),
        _ => character(bytes, late),
    }
}

fn control(byte: u8) -> Key {
    match byte {
        0 => Key::Ctrl('@'),
        0x08 | 0x7f => Key::Backspace,
        b'\t' => Key::Tab,
        b'\r' => Key::Enter,
        1..=0x1a => Key::Ctrl(char::from(byte - 1 + b'a')),
        0x1b => Key::Esc,
        0x1c => Key::Ctrl('\\'),
        0x1d => Key::Ctrl(']'),
        0x1e => Key::Ctrl('^'),
        _ => Key::Ctrl('_'),
    }
}

/// One character of UTF-8. What is none is passed over.
fn character(bytes: &[u8], late: bool) -> Step {
    let len = match bytes[0] {
        0..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return nothing(1),
    };
    let have = &bytes[..len.min(bytes.len())];
    match std::str::from_utf8(have) {
        Ok(text) => {
            let typed = text.chars().filter(|c| !c.is_control());
            Step::Whole(len, typed.map(|c| Told::Key(Key::Char(c))).collect())
        }
        Err(error) if error.error_len().is_none() && !late => Step::Beginning,
        Err(_) => nothing(1),
    }
}

/// `ESC O x`: arrows and F1 to F4 of some terminals. Else it was Esc and a capital O, typed fast.
fn single_shift(bytes: &[u8], late: bool) -> Step {
    let Some(last) = bytes.get(2) else {
        return if late { key(1, Key::Esc) } else { Step::Beginning };
    };
    match (letter(*last), last) {
        (Some(found), _) => key(3, found),
        (None, b'M') => key(3, Key::Enter),
        (None, _) => key(1, Key::Esc),
    }
}

/// Keys that end in a letter, in both kinds of sequences.
fn letter(last: u8) -> Option<Key> {
    Some(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        b'P' => Key::F(1),
        b'Q' => Key::F(2),
        b'R' => Key::F(3),
        b'S' => Key::F(4),
        _ => return None,
    })
}

/// `ESC [ … x`.
fn sequence(bytes: &[u8], late: bool) -> Step {
    // the Linux console has F1 to F5 as ESC [ [ A to E
    if let [_, _, b'[', rest @ ..] = bytes {
        return match rest {
            [last @ b'A'..=b'E', ..] => key(4, Key::F(last - b'A' + 1)),
            [] if !late => Step::Beginning,
            _ => key(1, Key::Esc),
        };
    }
    let inside = |byte: &u8| (0x20..=0x3f).contains(byte);
    let end = 2 + bytes[2..].iter().take_while(|byte| inside(byte)).count();
    let Some(last) = bytes.get(end) else {
        return match end > SEQUENCE_BYTES_MAX {
            true => nothing(end),
            false if late => key(1, Key::Esc),
            false => Step::Beginning,
        };
    };
    if !(0x40..=0x7e).contains(last) {
        return key(1, Key::Esc);
    }
    let parameters = &bytes[2..end];
    let len = end + 1;
    if let Some(private) = parameters.first().filter(|byte| (0x3c..=0x3f).contains(*byte)) {
        return match (private, last) {
            (b'?', b'u') => Step::Whole(len, vec![Told::Kitty]),
            (b'?', b'c') => Step::Whole(len, vec![Told::Attributes]),
            // a report of the mouse, or an answer to somebody else's question
            _ => nothing(len),
        };
    }
    let numbers = numbers(parameters);
    let modifiers = numbers.get(1).copied().unwrap_or(1).saturating_sub(1);
    match (last, numbers.first().copied()) {
        (b'~', Some(200)) => Step::Paste(len),
        (b'~', Some(27)) => coded(len, numbers.get(2).copied().unwrap_or(0), modifiers),
        (b'~', Some(number)) => numbered(number).map_or(nothing(len), |found| key(len, found)),
        (b'u', Some(code)) => coded(len, code, modifiers),
        (b'Z', _) => key(len, Key::BackTab),
        (b'I', _) => Step::Whole(len, vec![Told::Focus(true)]),
        (b'O', _) => Step::Whole(len, vec![Told::Focus(false)]),
        (last, _) => letter(*last).map_or(nothing(len), |found| key(len, found)),
    }
}

/// `1;5` as numbers; of `97:65` only the first counts. What is no number is 0.
fn numbers(parameters: &[u8]) -> Vec<u32> {
    let text = String::from_utf8_lossy(parameters);
    let number = |part: &str| part.split(':').next().unwrap_or("").parse().unwrap_or(0);
    text.split(';').map(number).collect()
}

/// `ESC [ 5 ~`: keys of the block over the arrows, and F1 to F12.
fn numbered(number: u32) -> Option<Key> {
    Some(match number {
        1 | 7 => Key::Home,
        3 => Key::Delete,
        4 | 8 => Key::End,
        5 => Key::PageUp,
        6 => Key::PageDown,
        11..=15 => Key::F(number as u8 - 10),
        17..=21 => Key::F(number as u8 - 11),
        23 | 24 => Key::F(number as u8 - 12),
        _ => return None,
    })
}

const SHIFT: u32 = 1;
const ALT: u32 = 2;
const CONTROL: u32 = 4;
/// Super, hyper and meta: keys of the desktop, not ours.
const FOREIGN: u32 = 8 | 16 | 32;

/// A key by its code point and its modifiers, as terminals with the kitty protocol tell it.
fn coded(len: usize, code: u32, modifiers: u32) -> Step {
    let plain = match code {
        13 | 57_414 if modifiers & (SHIFT | ALT) != 0 => return key(len, Key::NewLine),
        9 if modifiers & SHIFT != 0 => Some(Key::BackTab),
        57_344.. => keypad(code),
        _ => char::from_u32(code).and_then(|c| modified(c, modifiers)),
    };
    let Some(plain) = plain.filter(|_| modifiers & FOREIGN == 0) else {
        return nothing(len);
    };
    match modifiers & ALT != 0 && plain != Key::Esc {
        true => Step::Whole(len, vec![Told::Key(Key::Esc), Told::Key(plain)]),
        false => key(len, plain),
    }
}

fn modified(c: char, modifiers: u32) -> Option<Key> {
    let control = modifiers & CONTROL != 0;
    Some(match c {
        '\u{1b}' => Key::Esc,
        '\r' => Key::Enter,
        '\t' => Key::Tab,
        '\u{7f}' | '\u{8}' => Key::Backspace,
        // what these are everywhere else they are here too; only Tab can be told from ^I
        'h' | 'H' if control => Key::Backspace,
        'm' | 'M' if control => Key::Enter,
        '[' | '3' if control => Key::Esc,
        '4' if control => Key::Ctrl('\\'),
        '5' if control => Key::Ctrl(']'),
        '6' if control => Key::Ctrl('^'),
        '7' | '/' | '-' if control => Key::Ctrl('_'),
        ' ' | '2' if control => Key::Ctrl('@'),
        c if c.is_control() => return None,
        c if control => Key::Ctrl(c.to_ascii_lowercase()),
        c if modifiers & SHIFT != 0 => Key::Char(c.to_uppercase().next().unwrap_or(c)),
        c => Key::Char(c),
    })
}

/// The keypad and what stands beside it, by the numbers of the kitty protocol.
fn keypad(code: u32) -> Option<Key> {
    Some(match code {
        57_399..=57_408 => Key::Char(char::from(b'0' + (code - 57_399) as u8)),
        57_409 => Key::Char('.'),
        57_410 => Key::Char('/'),
        57_411 => Key::Char('*'),
        57_412 => Key::Char('-'),
        57_413 => Key::Char('+'),
        57_414 => Key::Enter,
        57_415 => Key::Char('='),
        57_417 => Key::Left,
        57_418 => Key::Right,
        57_419 => Key::Up,
        57_420 => Key::Down,
        57_421 => Key::PageUp,
        57_422 => Key::PageDown,
        57_423 => Key::Home,
        57_424 => Key::End,
        57_426 => Key::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::keys;

    /// What one read of these bytes tells, with nothing behind it.
    fn told(bytes: &[u8]) -> Vec<Told> {
        let mut decoder = Decoder::default();
        let mut all = decoder.feed(bytes);
        all.extend(decoder.settle());
        all
    }

    fn pressed(bytes: &[u8]) -> String {
        let key = |told| match told {
            Told::Key(key) => format!("<{}>", keys::show(key)),
            other => format!("{other:?}"),
        };
        told(bytes).into_iter().map(key).collect()
    }

    #[test]
    fn two_esc_in_one_read_are_two() {
        assert_eq!(pressed(b"\x1b\x1b"), "<Esc><Esc>");
        assert_eq!(pressed(b"\x1b\x1b\x1b:q\r"), "<Esc><Esc><Esc><:><q><Enter>");
        assert_eq!(pressed(b"\x1b\x1b[A"), "<Esc><↑>");
    }

    #[test]
    fn a_fast_esc_and_a_key_are_two_keys() {
        assert_eq!(pressed(b"\x1bb"), "<Esc><b>");
        assert_eq!(pressed(b"\x1bOhello"), "<Esc><O><h><e><l><l><o>");
        assert_eq!(pressed(b"\x1b["), "<Esc><[>");
        assert_eq!(pressed(b"\x1bO"), "<Esc><O>");
        assert_eq!(pressed("\x1b日".as_bytes()), "<Esc><日>");
        assert_eq!(pressed(b"\x1b\r"), "<Alt-Enter>");
    }

    #[test]
    fn keys_of_all_kinds_of_terminals_are_understood() {
        for (bytes, keys) in [
            ("\x1b[A\x1bOA\x1b[1;5A", "<↑><↑><↑>"),
            ("\x1b[H\x1b[1~\x1b[7~\x1b[F\x1b[4~", "<Home><Home><Home><End><End>"),
            ("\x1b[3~\x1b[5~\x1b[6~\x1b[Z", "<Delete><PageUp><PageDown><Shift-Tab>"),
            ("\x1bOP\x1b[11~\x1b[[A\x1b[15~\x1b[24~", "<F1><F1><F1><F5><F12>"),
            (
                "\x7f\x08\t\r\n\x01\x1c\x1e\0",
                "<Backspace><Backspace><Tab><Enter><^J><^A><^\\><^^><^@>",
            ),
            ("é日👩", "<é><日><👩>"),
            // the kitty protocol
            ("\x1b[27u\x1b[97;5u\x1b[105;5u\x1b[9u", "<Esc><^A><^I><Tab>"),
            ("\x1b[13;2u\x1b[13;3u\x1b[98;3u\x1b[98;4u", "<Alt-Enter><Alt-Enter><Esc><b><Esc><B>"),
            ("\x1b[57400u\x1b[57414u\x1b[57419u", "<1><Enter><↑>"),
            ("\x1b[97;9u\x1b[57358u", ""),
            // modifyOtherKeys
            ("\x1b[27;2;13~", "<Alt-Enter>"),
            // nobody asked for these
            ("\x1b[<0;10;10M\x1b[12;40Rx\u{9b}y", "<F3><x><y>"),
        ] {
            assert_eq!(pressed(bytes.as_bytes()), keys, "{bytes:?}");
        }
    }

    #[test]
    fn answers_and_focus_are_no_keys() {
        assert_eq!(told(b"\x1b[?1u\x1b[?62;22c"), [Told::Kitty, Told::Attributes]);
        assert_eq!(told(b"\x1b[I\x1b[O"), [Told::Focus(true), Told::Focus(false)]);
    }

    #[test]
    fn a_paste_is_one_block_wherever_the_reads_cut_it() {
        let bytes = "a\x1b[200~one\x1b[31m\rtwo 日\x1b[20\x1b[201~b".as_bytes();
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::default();
            let mut all = decoder.feed(&bytes[..cut]);
            all.extend(decoder.feed(&bytes[cut..]));
            let key = |c| Told::Key(Key::Char(c));
            let paste = Told::Paste("one\x1b[31m\rtwo 日\x1b[20".into());
            assert_eq!(all, [key('a'), paste, key('b')], "cut at {cut}");
        }
    }

    #[test]
    fn a_paste_without_an_end_is_bounded() {
        let mut decoder = Decoder::default();
        decoder.feed(b"\x1b[200~");
        for _ in 0..100 {
            decoder.feed(&[b'x'; 64 * 1024]);
        }
        let all = decoder.feed(b"\x1b[201~");
        assert_eq!(all, [Told::Paste("x".repeat(PASTE_BYTES_MAX))]);
        assert!(!decoder.is_waiting());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_bytes_are_taken_and_nothing_stays_behind(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(ESC), Just(b'['), Just(b'O'), Just(b';')], 0..200),
        ) {
            let mut decoder = Decoder::default();
            decoder.feed(&bytes);
            decoder.settle();
            prop_assert!(!decoder.is_waiting());
        }

        #[test]
        fn it_does_not_matter_where_a_text_is_cut(text in "[a-z日👩é]{0,40}", cut in 0_usize..80) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let mut decoder = Decoder::default();
            let mut all = decoder.feed(&bytes[..cut]);
            all.extend(decoder.feed(&bytes[cut..]));
            let typed: Vec<Told> = text.chars().map(|c| Told::Key(Key::Char(c))).collect();
            prop_assert_eq!(all, typed);
        }
    }
}
