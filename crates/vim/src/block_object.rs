//! Bracket objects: `i(`, `a{` and their kin.

use crate::editor::Editor;
use crate::matching::{Quotes, close_after, open_after, open_before};
use crate::motion::Moving;
use crate::text::{Pos, Step, indent_len};
use crate::visual::VisualKind;

pub(crate) fn select(
    ed: &mut Editor,
    around: bool,
    open: char,
    close: char,
    moving: &mut Moving,
) -> bool {
    let old_cursor = ed.cursor;
    let (mut old_start, mut old_end) = (old_cursor, old_cursor);
    if !ed.visual.active || ed.visual.start == ed.cursor {
        ed.set_jump_mark();
        if open == '{' {
            while in_indent(ed, 1) {
                if ed.inc_cursor() != Step::Inside {
                    break;
                }
            }
        }
        if ed.char() == open {
            ed.cursor.col += 1;
        }
    } else if ed.visual.start < ed.cursor {
        old_start = ed.visual.start;
        ed.cursor = ed.visual.start;
    } else {
        old_end = ed.visual.start;
    }
    let Some((mut start, mut end)) = enclosing(ed, open, close, moving.times()) else {
        ed.cursor = old_cursor;
        return false;
    };
    let mut at_line_start = false;
    if !around {
        let old = (old_start, old_end);
        let Some(inner) = inside(ed, (start, end), old, open, close) else {
            ed.cursor = old_cursor;
            return false;
        };
        (start, end, at_line_start) = inner;
    }
    ed.cursor = end;
    if ed.visual.active {
        if at_line_start && ed.char() != '\0' {
            ed.inc_cursor();
        }
        ed.visual.start = start;
        ed.visual.kind = VisualKind::Char;
        return true;
    }
    moving.start = start;
    moving.inclusive = false;
    if at_line_start {
        let mut pos = ed.cursor;
        ed.lines.inc_skip(&mut pos);
        ed.cursor = pos;
    } else if start <= ed.cursor {
        moving.inclusive = true;
    } else {
        // Nothing between the brackets.
        ed.cursor = start;
    }
    true
}

/// The area inside a pair; if just that is selected already, inside the pair around it.
fn inside(
    ed: &Editor,
    pair: (Pos, Pos),
    old: (Pos, Pos),
    open: char,
    close: char,
) -> Option<(Pos, Pos, bool)> {
    let inner = without_brackets(ed, pair.0, pair.1);
    let grown = inner.0 < old.0 || old.1 < inner.1;
    if grown || inner.0 == inner.1 || !ed.visual.active {
        return Some(inner);
    }
    let mut from = old.0;
    ed.lines.dec_skip(&mut from);
    let outer = open_before(&ed.lines, from, open, close, Quotes::Respected)?;
    let closed = close_after(&ed.lines, outer, open, close, Quotes::Respected)?;
    Some(without_brackets(ed, outer, closed))
}

/// The `count`th pair around the cursor; with none around it, the next one behind.
fn enclosing(ed: &Editor, open: char, close: char, count: usize) -> Option<(Pos, Pos)> {
    let before = |from| open_before(&ed.lines, from, open, close, Quotes::Ignored);
    let behind = |from| open_after(&ed.lines, from, open, close, Quotes::Ignored);
    let around = before(ed.cursor).is_some();
    let mut start = ed.cursor;
    for _ in 0..count {
        start = if around { before(start)? } else { behind(start)? };
    }
    let end = close_after(&ed.lines, start, open, close, Quotes::Respected)?;
    Some((start, end))
}

/// The area inside the brackets. A closing one behind nothing but indent takes that with it; then
/// the area ends with its line.
fn without_brackets(ed: &Editor, start: Pos, end: Pos) -> (Pos, Pos, bool) {
    let (mut start, mut end) = (start, end);
    ed.lines.inc_skip(&mut start);
    let mut at_line_start = end.col == 0;
    ed.lines.dec_skip(&mut end);
    while indent_len(ed.lines.get(end.row)) > end.col {
        at_line_start = true;
        if ed.lines.dec_skip(&mut end) != Step::Inside {
            break;
        }
    }
    (start, end, at_line_start)
}

/// Is the cursor, and `extra` columns behind it, within the blanks the line begins with?
pub(crate) fn in_indent(ed: &Editor, extra: usize) -> bool {
    indent_len(ed.row()) >= ed.cursor.col + extra
}
