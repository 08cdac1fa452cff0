//! Paragraphs: `{`, `}`, `ip`, `ap`. They are divided by empty lines and by nroff macros.

use crate::editor::Editor;
use crate::motion::Moving;
use crate::text::{Lines, Pos, head};
use crate::visual::VisualKind;

/// nroff macros that begin a section or a paragraph: two letters each, a blank for none.
const MACROS: [&str; 21] = [
    "SH", "NH", "H ", "HU", "nh", "sh", "IP", "LP", "PP", "QP", "P ", "TP", "HP", "LI", "Pp", "Lp",
    "It", "pp", "lp", "ip", "bp",
];

/// An empty line, a form feed or an nroff macro.
pub(crate) fn is_boundary(lines: &Lines, row: usize) -> bool {
    let line = lines.get(row);
    line.is_empty() || line.starts_with('\u{c}') || is_macro(line)
}

fn is_macro(line: &str) -> bool {
    let Some(name) = line.strip_prefix('.') else {
        return false;
    };
    MACROS.iter().any(|known| {
        let bare = known.trim_end();
        name.strip_prefix(bare)
            .is_some_and(|rest| bare.len() == 2 || rest.is_empty() || rest.starts_with(' '))
    })
}

pub(crate) fn motion(ed: &mut Editor, forward: bool, moving: &mut Moving) -> bool {
    moving.inclusive = false;
    moving.long_jump = true;
    ed.want_stale = true;
    let Some((pos, inclusive)) = find(&ed.lines, ed.cursor, forward, moving.times()) else {
        return false;
    };
    ed.set_jump_mark();
    moving.inclusive = inclusive;
    ed.cursor = pos;
    true
}

/// The place of the marks `'{` and `'}`.
pub(crate) fn mark(ed: &Editor, forward: bool) -> Option<Pos> {
    find(&ed.lines, ed.cursor, forward, 1).map(|(pos, _)| pos)
}

/// The next boundary behind a paragraph; on the last line its last character, inclusively.
fn find(lines: &Lines, from: Pos, forward: bool, count: usize) -> Option<(Pos, bool)> {
    let mut row = from.row;
    for left in (0..count).rev() {
        let mut in_paragraph = false;
        let mut first = true;
        loop {
            in_paragraph |= !lines.is_empty_row(row);
            if !first && in_paragraph && is_boundary(lines, row) {
                break;
            }
            first = false;
            if row == (if forward { lines.last() } else { 0 }) {
                if left > 0 {
                    return None;
                }
                break;
            }
            row = if forward { row + 1 } else { row - 1 };
        }
    }
    let line = lines.get(row);
    if row == lines.last() && !line.is_empty() {
        return Some((Pos { row, col: head(line, line.len() - 1) }, true));
    }
    Some((Pos { row, col: 0 }, false))
}

/// `ip` and `ap`.
pub(crate) fn select(ed: &mut Editor, around: bool, moving: &mut Moving) -> bool {
    if ed.visual.active && ed.cursor.row != ed.visual.start.row {
        return extend(ed, ed.cursor.row, around, moving.times());
    }
    let last = ed.lines.last();
    let white = |row: usize| ed.lines.is_white_row(row);
    let mut start = ed.cursor.row;
    let white_in_front = white(start);
    while start > 0 {
        let stop = if white_in_front {
            !white(start - 1)
        } else {
            white(start - 1) || is_boundary(&ed.lines, start)
        };
        if stop {
            break;
        }
        start -= 1;
    }
    // The end is kept as the first row behind it: it may be the start itself.
    let mut end = start;
    while end <= last && white(end) {
        end += 1;
    }
    let rounds = if !around && white_in_front { moving.times() - 1 } else { moving.times() };
    for left in (0..rounds).rev() {
        if end > last {
            return false;
        }
        let do_white = !around && white(end);
        if around || !do_white {
            end += 1;
            while end <= last && !white(end) && !is_boundary(&ed.lines, end) {
                end += 1;
            }
        }
        if left == 0 && white_in_front && around {
            break;
        }
        if around || do_white {
            while end <= last && white(end) {
                end += 1;
            }
        }
    }
    let end_row = end.max(1) - 1;
    if !white_in_front && !white(end_row) && around {
        while start > 0 && white(start - 1) {
            start -= 1;
        }
    }
    if ed.visual.active {
        if ed.visual.kind == VisualKind::Line && start == ed.cursor.row {
            return extend(ed, start, around, moving.times());
        }
        if ed.visual.start.row != start {
            ed.visual.start = Pos { row: start, col: 0 };
        }
        ed.visual.kind = VisualKind::Line;
    } else {
        moving.start = Pos { row: start, col: 0 };
        moving.lines = true;
    }
    ed.cursor = Pos { row: end_row, col: 0 };
    true
}

/// Grow a selection of several lines by paragraphs, at the end the cursor is on.
fn extend(ed: &mut Editor, from: usize, around: bool, count: usize) -> bool {
    let forward = from >= ed.visual.start.row;
    let edge = if forward { ed.lines.last() } else { 0 };
    let white = |row: usize| ed.lines.is_white_row(row);
    let beyond = |row: usize| if forward { row + 1 } else { row - 1 };
    let mut row = from;
    let mut grown = true;
    for _ in 0..count {
        if row == edge {
            grown = false;
            break;
        }
        let mut white_before = None;
        for _ in 0..2 {
            let next = beyond(row);
            let is_white = white(next);
            if white_before == Some(is_white) {
                break;
            }
            row = next;
            while row != edge {
                let next = beyond(row);
                let starts = is_boundary(&ed.lines, if forward { next } else { row });
                if is_white != white(next) || (!is_white && starts) {
                    break;
                }
                row = next;
            }
            if !around || row == edge {
                break;
            }
            white_before = Some(is_white);
        }
    }
    ed.cursor = Pos { row, col: 0 };
    grown
}
