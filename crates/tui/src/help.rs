//! The `?` screen as text: a view of the table.

use crate::commands::{Layer, Row, TABLE, TYPED, shown_keys};
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

/// The whole help, wrapped to a width.
pub fn lines(columns: usize) -> Vec<Line> {
    let mut out = Vec::new();
    for layer in Layer::ALL {
        heading(&mut out, layer.title());
        for row in TABLE.iter().filter(|row| row.layer == layer) {
            entry(&mut out, &shown_keys(row).join(" "), row.help, columns);
        }
    }
    heading(&mut out, "Commands");
    for row in TYPED {
        let usage = format!(":{} {}", row.name, row.arguments);
        entry(&mut out, usage.trim_end(), row.help, columns);
    }
    out
}

fn heading(out: &mut Vec<Line>, title: &str) {
    if !out.is_empty() {
        out.push(Line {
            heading: false,
            text: String::new(),
        });
    }
    out.push(Line {
        heading: true,
        text: title.to_string(),
    });
}

fn entry(out: &mut Vec<Line>, keys: &str, help: &str, columns: usize) {
    let key_columns = if columns < WIDE_COLUMNS {
        KEY_COLUMNS_NARROW
    } else {
        KEY_COLUMNS
    };
    let text_columns = columns.saturating_sub(key_columns + 2).max(8);
    let pad = key_columns.saturating_sub(wrap::width(keys));
    if pad == 0 {
        out.push(Line {
            heading: false,
            text: keys.to_string(),
        });
    }
    let mut left = match pad {
        0 => " ".repeat(key_columns + 2),
        pad => format!("{keys}{}  ", " ".repeat(pad)),
    };
    for range in wrap::rows(help, text_columns) {
        out.push(Line {
            heading: false,
            text: format!("{left}{}", &help[range]),
        });
        left = " ".repeat(key_columns + 2);
    }
}

/// Lines of a popup that fit its width.
pub fn wrapped(lines: &[String], columns: usize) -> Vec<&str> {
    let rows = |line: &'_ str| wrap::rows(line, columns);
    lines
        .iter()
        .flat_map(|line| rows(line).into_iter().map(|row| &line[row]))
        .collect()
}

/// The hint bar of a layer: `i write  f find`.
pub fn hints(layer: Layer) -> Vec<(String, &'static str)> {
    let rows = |layer: Layer| TABLE.iter().filter(move |row| row.layer == layer);
    let own = rows(layer);
    let below = layer.below().into_iter().flat_map(rows);
    let hinted = own.chain(below).filter(|row: &&Row| !row.hint.is_empty());
    hinted
        .map(|row| (shown_keys(row)[0].clone(), row.hint))
        .collect()
}
