//! The names of marks: setting them with `m`, finding them with `'` and the backtick.

use crate::editor::Editor;
use crate::text::{COL_MAX, Pos};
use crate::visual::VisualKind;
use crate::{paragraph, sentence};

/// `m`; `false` if there is no such mark.
pub(crate) fn set(ed: &mut Editor, name: char) -> bool {
    let here = Some(ed.cursor);
    match name {
        '\'' | '`' => {
            ed.set_jump_mark();
            // Kept even though the cursor does not move.
            ed.marks.jump_before = ed.marks.jump;
        }
        '[' => ed.marks.op_start = here,
        ']' => ed.marks.op_end = here,
        '<' => ed.marks.visual.start = here,
        '>' => ed.marks.visual.end = here,
        'a'..='z' => ed.marks.named[index(name, 'a')] = here,
        'A'..='Z' => ed.marks.file[index(name, 'A')] = here,
        '0'..='9' => ed.marks.file[26 + index(name, '0')] = here,
        '"' => {}
        _ => return false,
    }
    true
}

fn index(name: char, first: char) -> usize {
    name as usize - first as usize
}

pub(crate) fn position(ed: &mut Editor, name: char) -> Option<Pos> {
    match name {
        '\'' | '`' => ed.marks.jump,
        '[' => ed.marks.op_start,
        ']' => ed.marks.op_end,
        '^' => ed.marks.last_insert,
        '.' => ed.marks.last_change,
        '"' => Some(Pos::default()),
        '<' | '>' => visual(ed, name == '<'),
        'a'..='z' => ed.marks.named[index(name, 'a')],
        'A'..='Z' => ed.marks.file[index(name, 'A')],
        '0'..='9' => ed.marks.file[26 + index(name, '0')],
        '{' | '}' => paragraph::mark(ed, name == '}'),
        '(' | ')' => sentence::mark(ed, name == ')'),
        _ => None,
    }
}

fn visual(ed: &Editor, first: bool) -> Option<Pos> {
    let area = &ed.marks.visual;
    let start_first = match (area.start, area.end) {
        (Some(start), Some(end)) => (first == (start < end)) || area.end.is_none(),
        (Some(_), None) => true,
        (None, _) => false,
    };
    let mut pos = if start_first { area.start } else { area.end }?;
    if area.kind == VisualKind::Line {
        pos.col = if first { 0 } else { COL_MAX };
    }
    Some(pos)
}
