//! One key as the terminal reports it, and the `<Esc>` notation for writing keys down.

/// Everything that can be pressed. A closed set: a front end maps the rest to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    Char(char),
    Esc,
    Enter,
    Tab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    /// Control with a lower-case letter, or with one of `[ \ ] ^ _ @`.
    Ctrl(char),
}

/// Special keys as characters of a register: private use, far from anything a person types.
const SPECIALS: [(Key, char); 8] = [
    (Key::Backspace, '\u{10ff01}'),
    (Key::Delete, '\u{10ff02}'),
    (Key::Left, '\u{10ff03}'),
    (Key::Right, '\u{10ff04}'),
    (Key::Up, '\u{10ff05}'),
    (Key::Down, '\u{10ff06}'),
    (Key::Home, '\u{10ff07}'),
    (Key::End, '\u{10ff08}'),
];

/// `dw<Esc>` as keys. `<lt>` is a plain `<`; an unknown name is read letter by letter, and what
/// only looks like a control key is so up to its `>`.
pub fn keys_from_notation(text: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|inner| inner.split_once('>'));
        match named.map(|(name, after)| (key_named(name), name, after)) {
            Some((Some(key), _, after)) => {
                keys.push(key);
                rest = after;
            }
            Some((None, name, after)) if name.to_ascii_lowercase().starts_with("c-") => {
                let literal = &rest[..rest.len() - after.len()];
                keys.extend(literal.chars().map(key_of_char));
                rest = after;
            }
            _ => {
                keys.push(key_of_char(c));
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    keys
}

fn key_named(name: &str) -> Option<Key> {
    let name = name.to_ascii_lowercase();
    if let Some(letter) = name.strip_prefix("c-") {
        let mut letters = letter.chars();
        return match (letters.next(), letters.next()) {
            (Some('['), None) => Some(Key::Esc),
            (Some('i'), None) => Some(Key::Tab),
            (Some('m'), None) => Some(Key::Enter),
            (Some(c), None) if c.is_ascii_lowercase() || "\\]^_@".contains(c) => Some(Key::Ctrl(c)),
            _ => None,
        };
    }
    Some(match name.as_str() {
        "esc" => Key::Esc,
        "cr" | "enter" => Key::Enter,
        "tab" => Key::Tab,
        "bs" => Key::Backspace,
        "del" => Key::Delete,
        "left" => Key::Left,
        "right" => Key::Right,
        "up" => Key::Up,
        "down" => Key::Down,
        "home" => Key::Home,
        "end" => Key::End,
        "lt" => Key::Char('<'),
        "space" => Key::Char(' '),
        _ => return None,
    })
}

/// The key that a character of a register stands for when `@` presses it.
pub(crate) fn key_of_char(c: char) -> Key {
    match c {
        '\u{1b}' => Key::Esc,
        '\r' => Key::Enter,
        '\t' => Key::Tab,
        '\0'..='\u{1f}' => Key::Ctrl(char::from(c as u8 + b'@').to_ascii_lowercase()),
        '\u{10ff01}'..='\u{10ff08}' => {
            SPECIALS.iter().find(|special| special.1 == c).map_or(Key::Char(c), |special| special.0)
        }
        _ => Key::Char(c),
    }
}

/// The character that stands for a key in a register that records it.
pub(crate) fn char_of_key(key: Key) -> char {
    match key {
        Key::Char(c) => c,
        Key::Esc => '\u{1b}',
        Key::Enter => '\r',
        Key::Tab => '\t',
        Key::Ctrl(c) => char::from((c.to_ascii_uppercase() as u8) & 0x1f),
        special => SPECIALS.iter().find(|pair| pair.0 == special).map_or('\u{fffd}', |pair| pair.1),
    }
}

/// A key with its quick spellings made one: `CTRL-[` is Esc, a typed tab is Tab.
pub(crate) fn normalized(key: Key) -> Option<Key> {
    match key {
        Key::Char('\0') => None,
        Key::Char(c) if c < ' ' => Some(key_of_char(c)),
        Key::Ctrl('[') => Some(Key::Esc),
        Key::Ctrl('m' | 'M') => Some(Key::Enter),
        Key::Ctrl('i' | 'I') => Some(Key::Tab),
        Key::Ctrl(c) if c.is_ascii_alphabetic() || "\\]^_@".contains(c) => {
            Some(Key::Ctrl(c.to_ascii_lowercase()))
        }
        Key::Ctrl(_) => None,
        other => Some(other),
    }
}
