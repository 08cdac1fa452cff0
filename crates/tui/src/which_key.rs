//! What may follow the keys that were pressed: of the table, of the user's own keys, and of the
//! box's editor.

use crate::commands::{Layer, TABLE};
use crate::help;
use crate::keymap;
use crate::keys::{self, Key};
use crate::model::{Model, Place};
use crate::words;

/// Keys, and what they would do.
pub type Rows = Vec<(String, String)>;

/// Columns of a register's text.
const REGISTER_COLUMNS: usize = 40;

/// What was pressed, and what may follow. In the menu nothing was pressed.
pub fn rows(model: &Model) -> (String, Rows) {
    let layer = model.layer();
    let mut pressed = model.pending.clone();
    pressed.extend(&model.held);
    if pressed.is_empty() && model.place == Place::Compose && model.composer.is_waiting() {
        return (model.composer.pending(), in_editor(model));
    }
    match pressed.is_empty() {
        true => (layer.title().into(), menu(model, layer)),
        false => {
            let rows = help::following(&model.settings.keymap, layer, &pressed);
            (keys::show_all(&pressed), rows)
        }
    }
}

/// All first keys of a layer. What begins several commands has one row, with the keys behind it.
fn menu(model: &Model, layer: Layer) -> Rows {
    let keymap = &model.settings.keymap;
    let mut rows: Rows = Vec::new();
    let mut begun: Vec<Key> = Vec::new();
    let mut seen: Vec<Key> = Vec::new();
    for own in keymap.of(layer) {
        match own.keys.as_slice() {
            [key] => rows.push((keys::show(*key), keymap::show(&own.to))),
            [first, ..] if !begun.contains(first) => begun.push(*first),
            _ => {}
        }
    }
    for layer in std::iter::once(layer).chain(layer.below()) {
        for row in TABLE.iter().filter(|row| row.layer == layer) {
            let mut single: Vec<String> = Vec::new();
            for way in row.keys.split(' ').map(keys::parse) {
                match way.as_slice() {
                    [key] if !keymap.hides(layer, &way) && !seen.contains(key) => {
                        seen.push(*key);
                        single.push(keys::show(*key));
                    }
                    [first, _, ..] if !begun.contains(first) => begun.push(*first),
                    _ => {}
                }
            }
            // one way to press it is enough here, and there is not much room
            if let Some(first) = single.into_iter().next() {
                rows.push((first, row.help.to_string()));
            }
        }
    }
    for key in begun {
        let next = help::following(keymap, layer, &[key]);
        let next: Vec<&str> = next.iter().map(|row| row.0.as_str()).collect();
        rows.push((keys::show(key), format!("… {}", next.join(" "))));
    }
    rows
}

fn row(keys: &str, help: &str) -> (String, String) {
    (keys.to_string(), help.to_string())
}

/// After an unfinished command of the box's editor.
fn in_editor(model: &Model) -> Rows {
    let pending = model.composer.editor.pending();
    let mut keys: Vec<Key> = pending.iter().filter_map(|key| own_key(*key)).collect();
    if let [Key::Char('"'), Key::Char(_), rest @ ..] = keys.as_slice() {
        keys = rest.to_vec();
    }
    let is_digit = |key: &Key| matches!(key, Key::Char(c) if c.is_ascii_digit());
    let verb: Vec<Key> = keys.into_iter().filter(|key| !is_digit(key)).collect();
    match verb.as_slice() {
        [] => vec![row("…", "a number: the command that follows is done so often")],
        [.., Key::Char('"') | Key::Ctrl('r')] => registers(model, "insert, or use with a verb"),
        [Key::Char('q')] => vec![
            row("a … z", "record into this register; q ends it"),
            row("Esc", "do not; :q quits"),
        ],
        [Key::Char('@')] => {
            let mut rows = registers(model, "press the keys in it");
            rows.push(row("@", "the same again"));
            rows
        }
        [Key::Char('m')] => vec![row("a … z", "mark this place")],
        [.., Key::Char('\'' | '`')] => vec![row("a … z", "to the place marked so")],
        [.., Key::Char('f' | 'F' | 't' | 'T')] => vec![row("x", "to this character in the line")],
        [Key::Char('r')] => vec![row("x", "this character in its place")],
        [.., Key::Char('i' | 'a')] => objects(),
        [Key::Char('d' | 'c' | 'y' | '>' | '<')] | [Key::Char('g'), Key::Char('u' | 'U' | '~')] => {
            operands(&verb)
        }
        other => help::following(&model.settings.keymap, Layer::Normal, other),
    }
}

fn own_key(key: vim::Key) -> Option<Key> {
    match key {
        vim::Key::Char(c) => Some(Key::Char(c)),
        vim::Key::Ctrl(c) => Some(Key::Ctrl(c)),
        _ => None,
    }
}

fn operands(verb: &[Key]) -> Rows {
    let doubled: String = verb.last().map(|key| keys::show(*key)).unwrap_or_default();
    vec![
        row(&doubled, "the whole line"),
        row("w b e 0 $ f t …", "as far as this motion goes"),
        row("i", "inside of: a word, quotes, brackets"),
        row("a", "all of: with what stands around it"),
    ]
}

fn objects() -> Rows {
    vec![
        row("w W", "word"),
        row("s p", "sentence, paragraph"),
        row("\" ' `", "what stands in quotes"),
        row("( [ { <", "what stands in brackets"),
        row("t", "what stands between tags"),
    ]
}

/// Those that hold something.
fn registers(model: &Model, otherwise: &str) -> Rows {
    let names = "\"0123456789-abcdefghijklmnopqrstuvwxyz+".chars();
    let text = |name: char| Some((name, model.composer.editor.register(name)?));
    let full = names.filter_map(text).filter(|(_, text)| !text.is_empty());
    let rows: Rows = full
        .map(|(name, text)| (name.to_string(), words::excerpt(&text, REGISTER_COLUMNS)))
        .collect();
    match rows.is_empty() {
        true => vec![row("a … z", otherwise)],
        false => rows,
    }
}
