//! The `?` screen as text: a view of the table.

use crate::commands::{Command, Layer, ListDeed, Row, TABLE, TYPED, TypedRow, shown_keys};
use crate::keymap::{self, Keymap, Mapping};
use crate::keys::{self, Key};
use crate::model::{ListRow, Model};
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
pub fn lines(keymap: &Keymap, columns: usize, filter: &str) -> Vec<Line> {
    let mut out = Vec::new();
    for layer in Layer::ALL {
        let own = keymap.rows.iter().filter(|row| row.layer == layer).map(own_row);
        let rows = TABLE.iter().filter(|row| row.layer == layer);
        let rows = rows.map(|row| (shown_keys(row, keymap).join(" "), row.help.to_string()));
        let rows = own.chain(rows.filter(|row| !row.0.is_empty()));
        part(&mut out, layer.title(), rows, columns, filter);
    }
    let usage = |row: &TypedRow| format!(":{} {}", row.name, row.arguments);
    let rows = TYPED.iter().map(|row| (usage(row).trim_end().to_string(), row.help.to_string()));
    part(&mut out, "Commands", rows, columns, filter);
    if out.is_empty() {
        heading(&mut out, "nothing has this in it");
    }
    out
}

/// A key of the user's own, and what it leads to.
fn own_row(mapping: &Mapping) -> (String, String) {
    (keys::show_all(&mapping.keys), format!("{}   (yours)", keymap::show(&mapping.to)))
}

fn part(
    out: &mut Vec<Line>,
    title: &str,
    rows: impl Iterator<Item = (String, String)>,
    columns: usize,
    filter: &str,
) {
    let sought = filter.to_lowercase();
    let whole = title.to_lowercase().contains(&sought);
    // keys differ by their case, words do not
    let fits = |(keys, help): &(String, String)| {
        whole || keys.contains(filter) || help.to_lowercase().contains(&sought)
    };
    let mut rows = rows.filter(fits).peekable();
    if rows.peek().is_some() {
        heading(out, title);
    }
    for (keys, help) in rows {
        entry(out, &keys, &help, columns);
    }
}

/// What may follow the keys pressed so far, and what it does; with none pressed, all there is.
pub fn following(keymap: &Keymap, layer: Layer, pressed: &[Key]) -> Vec<(String, String)> {
    let pressed = keys::without_count(layer, pressed);
    let mut found: Vec<(String, String)> = Vec::new();
    for own in keymap.of(layer).filter(|row| row.keys.starts_with(pressed)) {
        found.push((keys::show_all(&own.keys[pressed.len()..]), own_row(own).1));
    }
    for layer in std::iter::once(layer).chain(layer.below()) {
        for row in TABLE.iter().filter(|row| row.layer == layer) {
            let ways = row.keys.split(' ').map(keys::parse);
            let begun = ways.filter(|way| way.len() > pressed.len() && keys::begins(way, pressed));
            let rest: Vec<String> = begun
                .filter(|way| !keymap.hides(layer, way))
                .map(|way| keys::show_all(&way[pressed.len()..]))
                .collect();
            if !rest.is_empty() {
                found.push((rest.join(" "), row.help.to_string()));
            }
        }
    }
    if let [Key::Char('y' | 'd')] = pressed
        && matches!(layer, Layer::Messages | Layer::Select)
    {
        found.push(("j k { G n …".into(), "as far as this motion goes".into()));
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

/// The hint bar: `i write  f find`. What answers a friend request is there where one is.
pub fn hints(model: &Model) -> Vec<(String, &'static str)> {
    let (keymap, layer) = (&model.settings.keymap, model.layer());
    let on_request = layer == Layer::List && {
        let rows = model.list_rows();
        matches!(rows.get(model.list_index(&rows)), Some(ListRow::Request(_)))
    };
    let answers =
        |row: &Row| matches!(row.command, Command::List(ListDeed::Accept | ListDeed::Decline));
    let rows = |layer: Layer| TABLE.iter().filter(move |row| row.layer == layer);
    let own = rows(layer).filter(|row| on_request || !answers(row));
    let below = layer.below().into_iter().flat_map(rows);
    let hinted = own.chain(below).filter(|row: &&Row| !row.hint.is_empty());
    let first = |row: &Row| Some((shown_keys(row, keymap).into_iter().next()?, row.hint));
    hinted.filter_map(first).collect()
}
