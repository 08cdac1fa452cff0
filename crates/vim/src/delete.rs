//! Deleting text, for `d` and as the first half of `c`.

use crate::block::part;
use crate::block_object::in_indent;
use crate::command::Op;
use crate::editor::Editor;
use crate::join::{self, How};
use crate::motion::{Start, line_start};
use crate::operate::Area;
use crate::register::is_writable;
use crate::text::{Pos, cell_len, head, tail};
use crate::{undo, yank};

/// `d`
pub(crate) fn run(ed: &mut Editor, area: Area) {
    let mut area = area;
    delete(ed, &mut area);
}

/// Delete an area, after putting its text into registers.
pub(crate) fn delete(ed: &mut Editor, area: &mut Area) {
    if ed.lines.none {
        return;
    }
    if area.empty {
        undo::save_cursor_row(ed);
        return;
    }
    if area.inclusive {
        area.end.col = tail(ed.lines.get(area.end.row), area.end.col);
    }
    widen_to_lines(ed, area);
    let one_empty_row = area.rows == 1 && ed.lines.is_empty_row(area.start.row);
    if !area.lines && one_empty_row && area.op == Op::Delete {
        return;
    }
    if !keep_in_registers(ed, area) {
        ed.beep();
        return;
    }
    if area.block {
        delete_block(ed, area);
    } else if area.lines {
        delete_lines(ed, area);
    } else if area.rows == 1 {
        undo::save_cursor_row(ed);
        let len = (area.end.col + usize::from(area.inclusive)).saturating_sub(area.start.col);
        delete_bytes(ed, len, true);
    } else {
        delete_between_rows(ed, area);
    }
    let end = Pos { row: area.end.row, col: area.start.col };
    ed.marks.op_end = Some(if area.block { end } else { area.start });
    ed.marks.op_start = Some(area.start);
}

/// If only blanks would be left of several lines, whole lines go. Not for `c` or a selection.
fn widen_to_lines(ed: &Editor, area: &mut Area) {
    let applies = !area.lines
        && !area.from_visual
        && !area.block
        && area.rows > 1
        && !area.forced
        && area.op == Op::Delete;
    if !applies {
        return;
    }
    let line = ed.lines.get(area.end.row);
    let behind = area.end.col + usize::from(area.inclusive);
    let rest = line.get(behind.min(line.len())..).unwrap_or("");
    if rest.chars().all(crate::chars::is_white) && in_indent(ed, 0) {
        area.lines = true;
    }
}

/// `false`: the register named cannot be written.
fn keep_in_registers(ed: &mut Editor, area: &Area) -> bool {
    if area.register == Some('_') {
        return true;
    }
    let mut appends = false;
    if let Some(name) = area.register {
        if !is_writable(name) || !yank::into_register(ed, area, area.register) {
            return false;
        }
        appends = name.is_ascii_uppercase();
    }
    if area.lines || area.rows > 1 || area.long_jump {
        let text = yank::text(ed, area);
        ed.registers.push_deleted(text, !appends);
        yank::set_marks(ed, area);
    }
    if area.register.is_none() && !area.lines && area.rows == 1 {
        return yank::into_register(ed, area, Some('-'));
    }
    true
}

fn delete_block(ed: &mut Editor, area: &Area) {
    undo::save(ed, area.start.row, area.end.row + 1);
    for row in ed.cursor.row..=area.end.row {
        let part = part(ed, area, row, true);
        if part.len == 0 {
            continue;
        }
        if row == ed.cursor.row {
            ed.cursor.col = part.col + part.start_spaces;
        }
        let kept = " ".repeat(part.start_spaces + part.end_spaces);
        ed.splice(row, part.col, part.col + part.len, &kept);
    }
    ed.check_cursor_col();
}

fn delete_lines(ed: &mut Editor, area: &Area) {
    let row = ed.cursor.row;
    if area.op == Op::Change {
        if area.rows > 1 {
            ed.cursor.row += 1;
            undo::save_deleted(ed, row + 1, area.rows - 1);
            ed.delete_rows(row + 1, area.rows - 1);
            ed.cursor.row = row;
        }
        undo::save_cursor_row(ed);
        line_start(ed, Start::Column);
        ed.splice(row, 0, usize::MAX, "");
        if area.rows > 1 {
            undo::forget_row(ed);
        }
        return;
    }
    undo::save_deleted(ed, row, area.rows);
    ed.delete_rows(row, area.rows);
    line_start(ed, Start::NonBlank);
    undo::forget_row(ed);
}

fn delete_between_rows(ed: &mut Editor, area: &Area) {
    let row = ed.cursor.row;
    undo::save(ed, row, row + area.rows);
    let col = ed.cursor.col;
    ed.splice(row, col, usize::MAX, "");
    if ed.cursor.col > 0 {
        ed.cursor.col -= 1;
    }
    let back_to = ed.cursor;
    ed.cursor.row += 1;
    ed.delete_rows(row + 1, area.rows - 2);
    ed.cursor = Pos { row: row + 1, col: 0 };
    delete_bytes(ed, area.end.col + usize::from(area.inclusive), true);
    ed.cursor = back_to;
    join::run(ed, 2, How { spaces: false, save: false, marks: false });
}

/// Delete bytes behind the cursor; `step_back`: not to rest behind the last character.
pub(crate) fn delete_bytes(ed: &mut Editor, count: usize, step_back: bool) {
    let Pos { row, col } = ed.cursor;
    let len = ed.row().len();
    if col >= len || count == 0 {
        return;
    }
    if col + count >= len && col > 0 && step_back && ed.insert.restart.is_none() {
        ed.cursor.col = head(ed.row(), col - 1);
    }
    ed.splice(row, col, col.saturating_add(count), "");
}

/// Delete characters behind the cursor.
pub(crate) fn delete_chars(ed: &mut Editor, count: usize, step_back: bool) {
    let line = ed.row();
    let mut end = ed.cursor.col;
    for _ in 0..count {
        if end >= line.len() {
            break;
        }
        end += cell_len(line, end);
    }
    let bytes = end - ed.cursor.col.min(end);
    delete_bytes(ed, bytes, step_back);
}
