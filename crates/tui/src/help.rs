//! The `?` screen as text: a view of the table.

use crate::commands::{Layer, Row, TABLE, TYPED, shown_keys};
use crate::wrap;

/// A line of the help; headings stand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub heading: bool,
    pub text: String,
}

const KEY_COLUMNS: usize = 20;

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
    let text_columns = columns.saturating_sub(KEY_COLUMNS + 2).max(8);
    let pad = KEY_COLUMNS.saturating_sub(wrap::width(keys));
    let mut left = format!("{keys}{}  ", " ".repeat(pad));
    for range in wrap::rows(help, text_columns) {
        out.push(Line {
            heading: false,
            text: format!("{left}{}", &help[range]),
        });
        left = " ".repeat(KEY_COLUMNS + 2);
    }
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
