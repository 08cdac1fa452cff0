//! Matching brackets, as `%` and the block objects find them: quoted brackets are skipped where a
//! line has an even number of quotes, and an escaped bracket matches only an escaped one.

use crate::text::{Lines, Pos, byte_at, cell_len, char_at, head};

/// Shall brackets inside of quotes be passed over?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quotes {
    Respected,
    Ignored,
}

/// What is searched: `wanted`, over nested pairs that begin with `nested`.
#[derive(Debug, Clone, Copy)]
struct Pair {
    nested: char,
    wanted: char,
    forward: bool,
}

const PAIRS: [(char, char); 3] = [('(', ')'), ('{', '}'), ('[', ']')];

/// The partner of the first bracket at or behind the cursor in its line, also for C comments and
/// `#if`; and whether the match is one of whole lines.
pub(crate) fn under_cursor(lines: &Lines, cursor: Pos, quotes: Quotes) -> Option<(Pos, bool)> {
    let line = lines.get(cursor.row);
    let blanks = crate::text::indent_len(line);
    if byte_at(line, blanks) == b'#' && cursor.col <= blanks && directive(line).is_some() {
        return conditional(lines, cursor.row).map(|pos| (pos, true));
    }
    let here = byte_at(line, cursor.col);
    let after = byte_at(line, cursor.col + 1);
    let before = if cursor.col > 0 { byte_at(line, cursor.col - 1) } else { 0 };
    match (before, here, after) {
        (_, b'/', b'*') => {
            return comment_end(lines, Pos { col: cursor.col + 1, ..cursor }).map(|p| (p, false));
        }
        (b'*', b'/', _) => {
            return comment_start(lines, Pos { col: cursor.col - 1, ..cursor }).map(|p| (p, false));
        }
        (_, b'*', b'/') => return comment_start(lines, cursor).map(|p| (p, false)),
        (b'/', b'*', _) => return comment_end(lines, cursor).map(|p| (p, false)),
        _ => {}
    }
    let mut col = cursor.col;
    if col > 0 && col >= line.len() {
        col = head(line, line.len() - 1);
    }
    while col < line.len() {
        if let Some(pair) = pair_of(char_at(line, col)) {
            let from = Pos { row: cursor.row, col };
            let escaped = is_escaped(line, col);
            return search(lines, from, pair, quotes, escaped).map(|pos| (pos, false));
        }
        col += cell_len(line, col);
    }
    if byte_at(line, blanks) == b'#' {
        return conditional(lines, cursor.row).map(|pos| (pos, true));
    }
    None
}

/// The unclosed `open` before a position.
pub(crate) fn open_before(
    lines: &Lines,
    from: Pos,
    open: char,
    close: char,
    quotes: Quotes,
) -> Option<Pos> {
    let pair = Pair { nested: close, wanted: open, forward: false };
    search(lines, from, pair, quotes, false)
}

/// The `close` behind a position that nothing behind it opens.
pub(crate) fn close_after(
    lines: &Lines,
    from: Pos,
    open: char,
    close: char,
    quotes: Quotes,
) -> Option<Pos> {
    let pair = Pair { nested: open, wanted: close, forward: true };
    search(lines, from, pair, quotes, false)
}

/// The next `open` behind a position that no `close` comes before.
pub(crate) fn open_after(
    lines: &Lines,
    from: Pos,
    open: char,
    close: char,
    quotes: Quotes,
) -> Option<Pos> {
    let pair = Pair { nested: close, wanted: open, forward: true };
    search(lines, from, pair, quotes, false)
}

fn pair_of(c: char) -> Option<Pair> {
    PAIRS.iter().find_map(|&(open, close)| {
        if c == open {
            Some(Pair { nested: open, wanted: close, forward: true })
        } else if c == close {
            Some(Pair { nested: close, wanted: open, forward: false })
        } else {
            None
        }
    })
}

/// Behind an odd number of backslashes.
fn is_escaped(line: &str, col: usize) -> bool {
    let before = line.as_bytes()[..col.min(line.len())].iter().rev();
    before.take_while(|&&b| b == b'\\').count() % 2 == 1
}

/// What is known of quotes while searching.
struct QuoteState {
    /// Quotes count in the line at hand; `None`: not looked at yet.
    counted: Option<bool>,
    inside: bool,
    /// Did the search start inside of quotes? `None`: not known yet.
    started_inside: Option<bool>,
}

fn search(lines: &Lines, from: Pos, pair: Pair, quotes: Quotes, escaped: bool) -> Option<Pos> {
    let mut pos = from;
    let mut depth = 0_usize;
    let mut state = QuoteState { counted: None, inside: false, started_inside: None };
    loop {
        let row = pos.row;
        step(lines, &mut pos, pair.forward)?;
        if pos.row != row {
            state.counted = None;
        }
        let line = lines.get(pos.row);
        if quotes == Quotes::Ignored {
            state.counted = Some(false);
        } else if state.counted.is_none() {
            look_at_quotes(lines, pos, pair.forward, &mut state);
        }
        if state.started_inside.is_none() {
            state.started_inside = Some(false);
        }
        match char_at(line, pos.col) {
            '\0' if pos.col == 0 || byte_at(line, pos.col - 1) != b'\\' => {
                state.inside = false;
                state.started_inside = Some(false);
            }
            '"' if state.counted == Some(true) && !is_escaped(line, pos.col) => {
                state.inside = !state.inside;
                state.started_inside = Some(false);
            }
            '\'' if quotes == Quotes::Respected && skip_quoted_char(line, &mut pos, pair) => {}
            c if c == pair.nested || c == pair.wanted => {
                let hidden = state.inside && state.started_inside != Some(true);
                if hidden || is_escaped(line, pos.col) != escaped {
                    continue;
                }
                if c == pair.nested {
                    depth += 1;
                } else if depth == 0 {
                    return Some(pos);
                } else {
                    depth -= 1;
                }
            }
            _ => {}
        }
    }
}

fn step(lines: &Lines, pos: &mut Pos, forward: bool) -> Option<()> {
    let line = lines.get(pos.row);
    if forward {
        if pos.col < line.len() {
            pos.col += cell_len(line, pos.col);
        } else if pos.row < lines.last() {
            *pos = Pos { row: pos.row + 1, col: 0 };
        } else {
            return None;
        }
    } else if pos.col > 0 {
        pos.col = head(line, pos.col.min(line.len()) - 1);
    } else {
        pos.row = pos.row.checked_sub(1)?;
        pos.col = lines.get(pos.row).len();
    }
    Some(())
}

/// Quotes count in lines with an even number of them, and where a backslash continues a line.
fn look_at_quotes(lines: &Lines, pos: Pos, forward: bool, state: &mut QuoteState) {
    let line = lines.get(pos.row).as_bytes();
    let marker = pos.col + usize::from(!forward);
    let mut quotes = 0_usize;
    let mut odd_at_start = true;
    let mut i = 0;
    while i < line.len() {
        if i == marker {
            odd_at_start = quotes.is_multiple_of(2);
        }
        let quoted = i > 0 && line[i - 1] == b'\'' && line.get(i + 1) == Some(&b'\'');
        if line[i] == b'"' && !quoted {
            quotes += 1;
        }
        if line[i] == b'\\' && i + 1 < line.len() {
            i += 1;
        }
        i += 1;
    }
    let mut counted = quotes.is_multiple_of(2);
    if !counted {
        state.inside = false;
        if line.last() == Some(&b'\\') {
            counted = true;
            if state.started_inside.is_none() {
                state.inside = true;
                state.started_inside = Some(true);
            } else if !forward {
                state.inside = true;
            }
        }
        if pos.row > 0 && lines.get(pos.row - 1).ends_with('\\') {
            counted = true;
            if state.started_inside.is_none() {
                state.inside = odd_at_start;
                if odd_at_start {
                    state.started_inside = Some(true);
                }
            } else if forward {
                state.inside = true;
            }
        }
    }
    state.counted = Some(counted);
}

/// Pass over `'x'` and `'\x'`; a lone apostrophe is nothing special.
fn skip_quoted_char(line: &str, pos: &mut Pos, pair: Pair) -> bool {
    let at = |col: usize| byte_at(line, col);
    let col = pos.col;
    if !pair.forward {
        if col > 1 && at(col - 2) == b'\'' {
            pos.col = col - 2;
            return true;
        }
        if col > 2 && at(col - 2) == b'\\' && at(col - 3) == b'\'' {
            pos.col = col - 3;
            return true;
        }
        return false;
    }
    if at(col + 1) == b'\\' && at(col + 2) != 0 && at(col + 3) == b'\'' {
        pos.col = col + 3;
        return true;
    }
    if at(col + 1) != 0 && at(col + 2) == b'\'' {
        pos.col = col + 2;
        return true;
    }
    false
}

fn comment_end(lines: &Lines, from: Pos) -> Option<Pos> {
    let mut pos = from;
    loop {
        step(lines, &mut pos, true)?;
        let line = lines.get(pos.row);
        if byte_at(line, pos.col) == b'*' && byte_at(line, pos.col + 1) == b'/' {
            return Some(Pos { col: pos.col + 1, ..pos });
        }
    }
}

fn comment_start(lines: &Lines, from: Pos) -> Option<Pos> {
    let mut pos = from;
    let mut found = None;
    while step(lines, &mut pos, false).is_some() {
        if pos.col == 0 {
            continue;
        }
        let line = lines.get(pos.row);
        let line_comment = line.find("//").unwrap_or(usize::MAX);
        let before = |n: usize| pos.col.checked_sub(n).map_or(0, |col| byte_at(line, col));
        match (before(1), byte_at(line, pos.col)) {
            (b'/', b'*') if before(2) != b'*' && pos.col < line_comment => {
                found = Some(Pos { col: pos.col - 1, ..pos });
            }
            (b'*', b'/') if found.is_some() => return found,
            (b'*', b'/') if before(2) == b'/' && pos.col <= line_comment => {
                return Some(Pos { col: pos.col - 2, ..pos });
            }
            (b'*', b'/') => return None,
            _ => {}
        }
    }
    found
}

/// `#if`, `#else`, `#endif` as +1, 0, -1.
fn directive(line: &str) -> Option<i32> {
    let rest = line.trim_start_matches([' ', '\t']).strip_prefix('#')?;
    let rest = rest.trim_start_matches([' ', '\t']);
    if rest.starts_with("if") {
        Some(1)
    } else if rest.starts_with("endif") {
        Some(-1)
    } else if rest.starts_with("el") {
        Some(0)
    } else {
        None
    }
}

fn conditional(lines: &Lines, from: usize) -> Option<Pos> {
    let forward = directive(lines.get(from))? >= 0;
    let rows: Vec<usize> =
        if forward { (from + 1..lines.count()).collect() } else { (0..from).rev().collect() };
    let mut depth = 0_usize;
    for row in rows {
        let line = lines.get(row);
        let Some(kind) = directive(line) else {
            continue;
        };
        let opens = if forward { kind == 1 } else { kind == -1 };
        let closes = if forward { kind == -1 } else { kind == 1 };
        if depth == 0 && (closes || (forward && kind == 0)) {
            return Some(Pos { row, col: crate::text::indent_len(line) });
        }
        if opens {
            depth += 1;
        } else if closes {
            depth -= 1;
        }
    }
    None
}
