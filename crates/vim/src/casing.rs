//! Upper and lower case: `gu gU g~`, and `~` on one character.

use crate::block::part;
use crate::chars::{capital, lower, upper};
use crate::command::Op;
use crate::editor::Editor;
use crate::operate::Area;
use crate::redo;
use crate::text::{Pos, Step, cell_len, char_at};
use crate::undo;

pub(crate) fn run(ed: &mut Editor, area: Area) {
    let mut area = area;
    undo::save(ed, area.start.row, area.end.row + 1);
    let mut pos = area.start;
    if area.block {
        for row in area.start.row..=area.end.row {
            let part = part(ed, &area, row, false);
            change_bytes(ed, area.op, &mut Pos { row, col: part.col }, part.len);
        }
    } else {
        if area.lines {
            area.start.col = 0;
            pos.col = 0;
            area.end.col = ed.lines.get(area.end.row).len().max(1) - 1;
        } else if !area.inclusive {
            ed.lines.dec(&mut area.end);
        }
        loop {
            let len = if pos.row == area.end.row {
                (area.end.col + 1).saturating_sub(if pos.row == area.start.row {
                    pos.col
                } else {
                    0
                })
            } else {
                ed.lines.get(pos.row).len().saturating_sub(pos.col)
            };
            change_bytes(ed, area.op, &mut pos, len);
            if area.start.row == area.end.row
                || area.end <= pos
                || ed.lines.inc(&mut pos) == Step::Stuck
            {
                break;
            }
        }
    }
    ed.marks.op_start = Some(area.start);
    ed.marks.op_end = Some(area.end);
}

/// Change the characters in so many bytes from `pos` on, and leave it behind them.
fn change_bytes(ed: &mut Editor, op: Op, pos: &mut Pos, len: usize) -> bool {
    let mut left = len.cast_signed();
    let mut changed = false;
    while left > 0 {
        let cell = cell_len(ed.lines.get(pos.row), pos.col);
        left -= cell.max(1).cast_signed();
        changed |= change_char(ed, op, pos);
        if ed.lines.inc(pos) == Step::Stuck {
            break;
        }
    }
    changed
}

fn change_char(ed: &mut Editor, op: Op, pos: &mut Pos) -> bool {
    let line = ed.lines.get(pos.row);
    let old = char_at(line, pos.col);
    if op == Op::Upper && old == 'ß' {
        let end = pos.col + cell_len(line, pos.col);
        if ed.has_room(2) {
            ed.splice(pos.row, pos.col, end, "SS");
            ed.lines.inc(pos);
        }
        return false;
    }
    let new = match capital(old) {
        Some(true) if op != Op::Upper => lower(old),
        Some(false) if op != Op::Lower => upper(old),
        _ => old,
    };
    if new == old || !ed.has_room(new.len_utf8()) {
        return false;
    }
    let mut bytes = [0; 4];
    let end = pos.col + old.len_utf8();
    ed.splice(pos.row, pos.col, end, new.encode_utf8(&mut bytes));
    true
}

/// `~`
pub(crate) fn swap_at_cursor(ed: &mut Editor, count: usize) {
    if ed.row().is_empty() {
        ed.beep();
        return;
    }
    redo::prepare(ed, None, count, &[crate::key::Key::Char('~')]);
    undo::save_cursor_row(ed);
    let start = ed.cursor;
    let mut changed = false;
    for _ in 0..count.max(1) {
        let mut pos = ed.cursor;
        changed |= change_char(ed, Op::ToggleCase, &mut pos);
        ed.inc_cursor();
        if ed.char() == '\0' {
            break;
        }
    }
    ed.check_cursor();
    ed.want_stale = true;
    if changed {
        ed.marks.op_start = Some(start);
        ed.marks.op_end = Some(Pos { col: ed.cursor.col.max(1) - 1, ..ed.cursor });
    }
}
