//! The `?` screen as text: a view of the table.

use crate::commands::{Layer, Row, TABLE, TYPED, TypedRow, shown_keys};
use crate::keys::{self, Key};
use crate::wrap;

/// A line of the help; headings stand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub heading: bool,
    pub text: String,
}

/// Columns of the keys, on a wide screen and on a narrow one.
const KEY_COLUMNS: usize = 20;
const KEY_COLUMNS_NARROW: usize = 10;
const WIDE_COLUMNS: usize = 60;

/// The help, wrapped to a width: all of it, or what has `filter` in its keys, its words or the
/// heading above it.
pub fn lines(columns: usize, filter: &str) -> Vec<Line> {
    let mut out = Vec::new();
    for layer in Layer::ALL {
        let rows = TABLE.iter().filter(|row| row.layer == layer);
        let rows = rows.map(|row| (shown_keys(row).join(" "), row.help));
        part(&mut out, layer.title(), rows, columns, filter);
    }
    let usage = |row: &TypedRow| format!(":{} {}", row.name, row.arguments);
    let rows = TYPED.iter().map(|row| (usage(row).trim_end().to_string(), row.help));
    part(&mut out, "Commands", rows, columns, filter);
    if out.is_empty() {
        heading(&mut out, "nothing has this in it");
    }
    out
}

fn part(
    out: &mut Vec<Line>,
    title: &str,
    rows: impl Iterator<Item = (String, &'static str)>,
    columns: usize,
    filter: &str,
) {
    let sought = filter.to_lowercase();
    let whole = title.to_lowercase().contains(&sought);
    // keys differ by their case, words do not
    let fits = |(keys, help): &(String, &str)| {
        whole || keys.contains(filter) || help.to_lowercase().contains(&sought)
    };
    let mut rows = rows.filter(fits).peekable();
    if rows.peek().is_some() {
        heading(out, title);
    }
    for (keys, help) in rows {
        entry(out, &keys, help, columns);
    }
}

/// What may follow the keys pressed so far, and what it does.
pub fn following(layer: Layer, pressed: &[Key]) -> Vec<(String, &'static str)> {
    let pressed = keys::without_count(layer, pressed);
    let mut found: Vec<(String, &'static str)> = Vec::new();
    for layer in std::iter::once(layer).chain(layer.below()) {
        for row in TABLE.iter().filter(|row| row.layer == layer) {
            for way in row.keys.split(' ').map(keys::parse) {
                let rest = way.get(pressed.len()..).unwrap_or_default();
                if !pressed.is_empty() && !rest.is_empty() && keys::begins(&way, pressed) {
                    found.push((keys::show_all(rest), row.help));
                }
            }
        }
    }
    if let [Key::Char('y' | 'd')] = pressed {
        found.push(("j k { G n …".into(), "as far as this motion goes"));
    }
    found
}

fn heading(out: &mut Vec<Line>, title: &str) {
    if !out.is_empty() {
        out.push(Line { heading: false, text: String::new() });
    }
    out.push(Line { heading: true, text: title.to_string() });
}

fn entry(out: &mut Vec<Line>, keys: &str, help: &str, columns: usize) {
    let key_columns = if columns < WIDE_COLUMNS { KEY_COLUMNS_NARROW } else { KEY_COLUMNS };
    let text_columns = columns.saturating_sub(key_columns + 2).max(8);
    let pad = key_columns.saturating_sub(wrap::width(keys));
    if pad == 0 {
        out.push(Line { heading: false, text: keys.to_string() });
    }
    let mut left = match pad {
        0 => " ".repeat(key_columns + 2),
        pad => format!("{keys}{}  ", " ".repeat(pad)),
    };
    for range in wrap::rows(help, text_columns) {
        out.push(Line { heading: false, text: format!("{left}{}", &help[range]) });
        left = " ".repeat(key_columns + 2);
    }
}

/// Lines of a popup that fit its width.
pub fn wrapped(lines: &[String], columns: usize) -> Vec<&str> {
    let rows = |line: &'_ str| wrap::rows(line, columns);
    lines.iter().flat_map(|line| rows(line).into_iter().map(|row| &line[row])).collect()
}

/// The hint bar of a layer: `i write  f find`.
pub fn hints(layer: Layer) -> Vec<(String, &'static str)> {
    let rows = |layer: Layer| TABLE.iter().filter(move |row| row.layer == layer);
    let own = rows(layer);
    let below = layer.below().into_iter().flat_map(rows);
    let hinted = own.chain(below).filter(|row: &&Row| !row.hint.is_empty());
    hinted.map(|row| (shown_keys(row)[0].clone(), row.hint)).collect()
}
