//! `f F t T ; ,` within the line, and `%` over the text.

use crate::editor::Editor;
use crate::matching::{self, Quotes};
use crate::motion::{Moving, Start, line_start};
use crate::text::{cell_len, head};

/// The last search for a character, for `;` and `,`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Find {
    target: char,
    forward: bool,
    until: bool,
}

pub(crate) fn first(
    ed: &mut Editor,
    target: char,
    forward: bool,
    until: bool,
    moving: &mut Moving,
) -> bool {
    let find = Find { target, forward, until };
    if !ed.feed.key_stuffed {
        ed.find = Some(find);
    }
    search(ed, find, moving, false)
}

pub(crate) fn again(ed: &mut Editor, reverse: bool, moving: &mut Moving) -> bool {
    let Some(last) = ed.find else { return false };
    let find = Find { forward: last.forward != reverse, ..last };
    // Right before the character already: the next one is meant.
    let skip_next = moving.times() == 1 && find.until;
    search(ed, find, moving, skip_next)
}

fn search(ed: &mut Editor, find: Find, moving: &mut Moving, skip_next: bool) -> bool {
    moving.inclusive = find.forward;
    let line = ed.row();
    let mut target = [0; 4];
    let target = find.target.encode_utf8(&mut target);
    let mut col = ed.cursor.col;
    let mut skip = skip_next;
    for _ in 0..moving.times() {
        loop {
            if find.forward {
                col += cell_len(line, col);
                if col >= line.len() {
                    return false;
                }
            } else {
                if col == 0 {
                    return false;
                }
                col = head(line, col - 1);
            }
            if !skip && line.get(col..).is_some_and(|rest| rest.starts_with(&*target)) {
                break;
            }
            skip = false;
        }
    }
    if find.until {
        col = if find.forward { head(line, col - 1) } else { col + target.len() };
    }
    ed.cursor.col = col;
    ed.want_stale = true;
    true
}

/// `%`: the matching bracket, or with a count that many percent of the lines.
pub(crate) fn matching(ed: &mut Editor, moving: &mut Moving) -> bool {
    moving.inclusive = true;
    if moving.count > 0 {
        if moving.count > 100 {
            return false;
        }
        moving.lines = true;
        ed.set_jump_mark();
        let line = (ed.lines.count() * moving.count).div_ceil(100);
        ed.cursor.row = line.clamp(1, ed.lines.count()) - 1;
        line_start(ed, Start::NonBlank);
        return true;
    }
    moving.long_jump = true;
    let Some((pos, lines)) = matching::under_cursor(&ed.lines, ed.cursor, Quotes::Respected) else {
        return false;
    };
    moving.lines |= lines;
    ed.set_jump_mark();
    ed.cursor = pos;
    ed.want_stale = true;
    true
}
