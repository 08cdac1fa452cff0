//! Keys: one closed set for all that can be pressed, their notation, and which command a row of
//! them means.

use std::sync::LazyLock;

use crate::commands::{Command, Deed, Layer, TABLE};
use crate::limits::COUNT_MAX;

/// What can be pressed here. A terminal reports more; the rest means nothing to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    Char(char),
    /// Control with a lower-case letter or with one of `@ ^ \ ] _`. `^I` is Tab on most terminals.
    Ctrl(char),
    Enter,
    /// A line break that is not Enter: Shift-Enter or Alt-Enter. `^J` means the same.
    NewLine,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    PageUp,
    PageDown,
    /// F1 to F12.
    F(u8),
    /// In the table only: any character, as the letter of a mark.
    Any,
}

/// Names in `<…>` notation, and as they are shown to people.
const NAMES: [(Key, &str, &str); 18] = [
    (Key::Enter, "cr", "Enter"),
    (Key::NewLine, "a-cr", "Alt-Enter"),
    (Key::Esc, "esc", "Esc"),
    (Key::Tab, "tab", "Tab"),
    (Key::BackTab, "s-tab", "Shift-Tab"),
    (Key::Backspace, "bs", "Backspace"),
    (Key::Delete, "del", "Delete"),
    (Key::Left, "left", "←"),
    (Key::Right, "right", "→"),
    (Key::Up, "up", "↑"),
    (Key::Down, "down", "↓"),
    (Key::Home, "home", "Home"),
    (Key::End, "end", "End"),
    (Key::PageUp, "pageup", "PageUp"),
    (Key::PageDown, "pagedown", "PageDown"),
    (Key::Any, "any", "{a}"),
    (Key::Char(' '), "space", "Space"),
    (Key::Char('<'), "lt", "<"),
];

/// `gg<CR><C-d>` as keys. `<lt>` is a plain `<`; an unknown name is read letter by letter.
pub fn parse(notation: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = notation;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|inner| {
            let (name, after) = inner.split_once('>')?;
            Some((named(name)?, after))
        });
        let (key, after) = named.unwrap_or((Key::Char(c), &rest[c.len_utf8()..]));
        keys.push(key);
        rest = after;
    }
    keys
}

fn named(name: &str) -> Option<Key> {
    let name = name.to_ascii_lowercase();
    if let Some(letter) = name.strip_prefix("c-") {
        let mut letters = letter.chars();
        let first = letters.next()?;
        return letters.next().is_none().then_some(Key::Ctrl(first));
    }
    let number = name.strip_prefix('f').and_then(|number| number.parse().ok());
    match number {
        Some(number @ 1..=12) => Some(Key::F(number)),
        _ => NAMES.iter().find(|row| row.1 == name).map(|row| row.0),
    }
}

/// As [`parse`], for what people write: a name in `<…>` that is none is told.
///
/// # Errors
/// A sentence that names it.
pub fn read(notation: &str) -> Result<Vec<Key>, String> {
    let mut rest = notation;
    while let Some((_, inner)) = rest.split_once('<') {
        let Some((name, after)) = inner.split_once('>') else {
            break;
        };
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && c != '<');
        if is_name && matches!(named(name), None | Some(Key::Any)) {
            return Err(format!("there is no key <{name}>; a plain < is <lt>"));
        }
        rest = after;
    }
    Ok(parse(notation))
}

/// A key as people write it: `^D`, `Enter`, `x`.
pub fn show(key: Key) -> String {
    match (key, NAMES.iter().find(|row| row.0 == key)) {
        (_, Some(row)) => row.2.to_string(),
        (Key::Char(c), None) => c.to_string(),
        (Key::Ctrl(c), None) => format!("^{}", c.to_ascii_uppercase()),
        (Key::F(number), None) => format!("F{number}"),
        (other, None) => format!("{other:?}"),
    }
}

/// One way of a table row as people write it: `]u`, `^W h`.
pub fn show_all(keys: &[Key]) -> String {
    let plain = keys.iter().all(|key| matches!(key, Key::Char(_) | Key::Any));
    let words: Vec<String> = keys.iter().map(|key| show(*key)).collect();
    words.join(if plain { "" } else { " " })
}

/// A step of the cursor, which cannot be made at the edge of a text.
pub fn is_arrow_like(key: Key) -> bool {
    match key {
        Key::Char(c) => "hjklwbe".contains(c),
        Key::Left | Key::Right | Key::Up | Key::Down | Key::Backspace | Key::Esc => true,
        _ => false,
    }
}

/// What the keys pressed so far mean in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A whole command; the count before it, if one was typed.
    Command(Command, Option<usize>),
    /// `y` or `d` over messages as far as a motion goes.
    Over(Deed, Command, Option<usize>),
    /// The beginning of one: wait for the next key.
    Unfinished,
    /// Nothing in this layer's rows.
    Nothing,
}

/// Looks the keys up in the rows of the layer, then in those of the layer below it.
pub fn meaning(layer: Layer, pressed: &[Key]) -> Meaning {
    let (count, keys) = match layer.takes_counts() {
        true => split_count(pressed),
        false => (None, pressed),
    };
    if keys.is_empty() {
        return Meaning::Unfinished;
    }
    match in_rows(layer, keys, count) {
        Meaning::Nothing if matches!(layer, Layer::Messages | Layer::Select) => {
            over(layer, keys, count)
        }
        found => found,
    }
}

/// The register before a verb: of `"ayy` the a.
pub fn register(pressed: &[Key]) -> Option<char> {
    match split_count(pressed).1 {
        [Key::Char('"'), Key::Char(name), ..] => Some(*name),
        _ => None,
    }
}

/// What was pressed, without the number before it.
pub fn without_count(layer: Layer, pressed: &[Key]) -> &[Key] {
    match layer.takes_counts() {
        true => split_count(pressed).1,
        false => pressed,
    }
}

/// A verb and a motion, with or without a register before them: `"ay3k`. Two counts multiply.
fn over(layer: Layer, keys: &[Key], count: Option<usize>) -> Meaning {
    let keys = match keys {
        [Key::Char('"'), Key::Char(_), rest @ ..] => rest,
        other => other,
    };
    let (inner, keys) = split_count(keys);
    let (verb, motion) = match keys {
        [] => return Meaning::Unfinished,
        [Key::Char('y'), motion @ ..] => (Deed::Copy, motion),
        [Key::Char('d'), motion @ ..] => (Deed::Delete, motion),
        _ => return Meaning::Nothing,
    };
    let (more, motion) = split_count(motion);
    let counts = [count, inner, more].into_iter().flatten();
    let count = counts.reduce(|a, b| (a * b).min(COUNT_MAX));
    if motion.is_empty() {
        return Meaning::Unfinished;
    }
    // doubled, with a count within: `2y3y`
    if motion == [keys[0]] {
        return Meaning::Command(Command::Message(verb), count);
    }
    match in_rows(layer, motion, None) {
        Meaning::Command(motion @ (Command::Move(_) | Command::Jump(_)), _) => {
            Meaning::Over(verb, motion, count)
        }
        Meaning::Unfinished => Meaning::Unfinished,
        Meaning::Command(..) | Meaning::Over(..) | Meaning::Nothing => Meaning::Nothing,
    }
}

fn in_rows(layer: Layer, keys: &[Key], count: Option<usize>) -> Meaning {
    let mut at = Some(layer);
    while let Some(layer) = at {
        let mut unfinished = false;
        let mut loose = None;
        for (row_layer, row_keys, command) in ROWS.iter() {
            if *row_layer != layer {
                continue;
            }
            if row_keys == keys {
                return Meaning::Command(*command, count);
            }
            if begins(row_keys, keys) {
                match row_keys.len() == keys.len() {
                    true => loose = Some(*command),
                    false => unfinished = true,
                }
            }
        }
        // a row that names its keys goes before one that takes any
        if let Some(command) = loose {
            return Meaning::Command(command, count);
        }
        if unfinished {
            return Meaning::Unfinished;
        }
        at = layer.below();
    }
    Meaning::Nothing
}

/// More keys would make a command of the layer's that is not its editor's.
pub fn begins_command(layer: Layer, keys: &[Key]) -> bool {
    let mut rows = ROWS.iter().filter(|row| row.0 == layer && row.2 != Command::Editor);
    rows.any(|(_, row, _)| row.len() > keys.len() && begins(row, keys))
}

/// The layer has a row of its own that these keys are, or begin, or begin with.
pub fn has_rows(layer: Layer, keys: &[Key]) -> bool {
    let mut rows = ROWS.iter().filter(|row| row.0 == layer);
    rows.any(|(_, row, _)| begins(row, keys) || keys.starts_with(row))
}

/// The keys are the beginning of the row's, or all of it.
pub fn begins(row: &[Key], keys: &[Key]) -> bool {
    let fits = |(wanted, key): (&Key, &Key)| {
        wanted == key || (*wanted == Key::Any && matches!(key, Key::Char(_)))
    };
    keys.len() <= row.len() && row.iter().zip(keys).all(fits)
}

/// The table with its key notation read once: one entry for each way to press a command.
static ROWS: LazyLock<Vec<(Layer, Vec<Key>, Command)>> = LazyLock::new(|| {
    let ways = |row: &'static crate::commands::Row| {
        row.keys.split(' ').map(|keys| (row.layer, parse(keys), row.command))
    };
    TABLE.iter().flat_map(ways).collect()
});

fn split_count(pressed: &[Key]) -> (Option<usize>, &[Key]) {
    let digits = pressed.iter().enumerate().take_while(|(at, key)| match key {
        Key::Char('0') => *at > 0,
        Key::Char(c) => c.is_ascii_digit(),
        _ => false,
    });
    let mut count = None;
    let mut len = 0;
    for (_, key) in digits {
        if let Key::Char(c) = key {
            let digit = c.to_digit(10).unwrap_or(0) as usize;
            count = Some((count.unwrap_or(0) * 10 + digit).min(COUNT_MAX));
        }
        len += 1;
    }
    (count, &pressed[len..])
}
