//! Quoted strings: `i"`, `a'` and so on, within one line.

use crate::chars::is_white;
use crate::editor::Editor;
use crate::motion::Moving;
use crate::text::{Step, byte_at, cell_len, head};
use crate::visual::VisualKind;

/// What a selection of more than one character already holds.
struct Selected {
    none: bool,
    /// The selection starts before the cursor.
    before_cursor: bool,
    /// It is exactly the inside of quotes.
    inside_quotes: bool,
    has_quote: bool,
}

pub(crate) fn select(ed: &mut Editor, around: bool, quote: char, moving: &mut Moving) -> bool {
    let quote = quote as u8;
    if ed.visual.active && ed.visual.start.row != ed.cursor.row {
        return false;
    }
    let selected = look_at_selection(ed, quote);
    let Some((mut start, mut end)) = find(ed, quote, &selected) else {
        return false;
    };
    let line = ed.row();
    let white = |col: usize| is_white(char::from(byte_at(line, col)));
    if around {
        if white(end + 1) {
            while white(end + 1) {
                end += 1;
            }
        } else {
            while start > 0 && white(start - 1) {
                start -= 1;
            }
        }
    }
    let twice = moving.times() > 1;
    if !around && !twice && (selected.none || !selected.inside_quotes) {
        start += 1;
    }
    ed.cursor.col = start;
    if !ed.visual.active {
        moving.start = ed.cursor;
    } else if selected.none || start_moves(ed, quote, &selected) {
        ed.visual.start = ed.cursor;
    }
    ed.cursor.col = end;
    let whole = around || twice || (!selected.none && selected.inside_quotes);
    let inclusive = whole && ed.inc_cursor() == Step::LineEnd;
    if !ed.visual.active {
        moving.inclusive = inclusive;
        return true;
    }
    if selected.none || selected.before_cursor {
        ed.dec_cursor();
    } else {
        if end_moves(ed, quote, &selected) {
            ed.dec_cursor();
            ed.visual.start = ed.cursor;
        }
        ed.cursor.col = start;
    }
    if ed.visual.kind == VisualKind::Line {
        ed.visual.kind = VisualKind::Char;
    }
    true
}

fn start_moves(ed: &Editor, quote: u8, selected: &Selected) -> bool {
    let (line, col) = (ed.row(), ed.visual.start.col);
    let at_quote = byte_at(line, col) == quote || (col > 0 && byte_at(line, col - 1) == quote);
    selected.before_cursor && !selected.has_quote && (selected.inside_quotes || !at_quote)
}

fn end_moves(ed: &Editor, quote: u8, selected: &Selected) -> bool {
    let (line, col) = (ed.row(), ed.visual.start.col);
    selected.inside_quotes
        || (!selected.has_quote
            && byte_at(line, col) != quote
            && (byte_at(line, col) == 0 || byte_at(line, col + 1) != quote))
}

fn look_at_selection(ed: &Editor, quote: u8) -> Selected {
    let line = ed.row();
    let before_cursor = ed.visual.start < ed.cursor;
    let none = !ed.visual.active || ed.visual.start == ed.cursor;
    let mut selected = Selected { none, before_cursor, inside_quotes: false, has_quote: false };
    if none {
        return selected;
    }
    let (from, to) = (
        ed.visual.start.col.min(ed.cursor.col),
        ed.visual.start.col.max(ed.cursor.col).min(line.len()),
    );
    selected.inside_quotes = from > 0
        && byte_at(line, from - 1) == quote
        && byte_at(line, to) != 0
        && byte_at(line, to + 1) == quote;
    selected.has_quote = (from..=to).any(|col| byte_at(line, col) == quote);
    selected
}

/// The columns of the quotes around the cursor, or of the next quoted string.
fn find(ed: &Editor, quote: u8, selected: &Selected) -> Option<(usize, usize)> {
    let line = ed.row();
    let cursor = ed.cursor.col;
    let on_quote = byte_at(line, cursor) == quote;
    if on_quote && !selected.none {
        return next_string(line, cursor, quote, selected);
    }
    if on_quote || !selected.none {
        let first = match (selected.none, selected.before_cursor) {
            (true, _) => cursor,
            (false, true) => next_quote(line, cursor, quote, false)?,
            (false, false) => previous_quote(line, cursor, quote, false),
        };
        // Opening or closing? Count from the start of the line.
        let mut start = 0;
        loop {
            start = next_quote(line, start, quote, false).filter(|&col| col <= first)?;
            let end = next_quote(line, start + 1, quote, true)?;
            if first <= end {
                return Some((start, end));
            }
            start = end + 1;
        }
    }
    let mut start = previous_quote(line, cursor, quote, true);
    if byte_at(line, start) != quote {
        start = next_quote(line, start, quote, false)?;
    }
    Some((start, next_quote(line, start + 1, quote, true)?))
}

/// The cursor is on a quote that is selected already: the string beyond it.
fn next_string(
    line: &str,
    cursor: usize,
    quote: u8,
    selected: &Selected,
) -> Option<(usize, usize)> {
    if selected.before_cursor {
        let start = next_quote(line, cursor + 1, quote, false)?;
        return Some(match next_quote(line, start + 1, quote, true) {
            Some(end) => (start, end),
            None => (cursor, start),
        });
    }
    let end = previous_quote(line, cursor, quote, false);
    if byte_at(line, end) != quote {
        return None;
    }
    let start = previous_quote(line, end, quote, true);
    Some(if byte_at(line, start) == quote { (start, end) } else { (end, cursor) })
}

fn next_quote(line: &str, from: usize, quote: u8, escapes: bool) -> Option<usize> {
    let mut col = from;
    loop {
        match byte_at(line, col) {
            0 => return None,
            b'\\' if escapes => {
                col += 1;
                if byte_at(line, col) == 0 {
                    return None;
                }
            }
            c if c == quote => return Some(col),
            _ => {}
        }
        col += cell_len(line, col).max(1);
    }
}

/// The quote before a column, or 0.
fn previous_quote(line: &str, from: usize, quote: u8, escapes: bool) -> usize {
    let mut col = from;
    while col > 0 {
        col = head(line, col.min(line.len()) - 1);
        let backslashes = if escapes {
            line.as_bytes()[..col].iter().rev().take_while(|&&b| b == b'\\').count()
        } else {
            0
        };
        if backslashes % 2 == 1 {
            col -= backslashes;
        } else if byte_at(line, col) == quote {
            break;
        }
    }
    col
}
