//! CTRL-A and CTRL-X on decimal numbers.

use crate::block::part;
use crate::command::Op;
use crate::editor::Editor;
use crate::key::Key;
use crate::operate::Area;
use crate::text::{COL_MAX, Pos, byte_at, cell_len};
use crate::visual::VisualKind;
use crate::{redo, undo};

/// On the number at or behind the cursor.
pub(crate) fn run(ed: &mut Editor, up: bool, count: usize) {
    redo::prepare(ed, None, count, &[Key::Ctrl(if up { 'a' } else { 'x' })]);
    undo::save_cursor_row(ed);
    let line = ed.row();
    if ed.cursor.col >= line.len() {
        return;
    }
    let digit = |col: usize| byte_at(line, col).is_ascii_digit();
    let mut col = ed.cursor.col;
    while col < line.len() && !digit(col) {
        col += cell_len(line, col);
    }
    while col > 0 && digit(col - 1) {
        col -= 1;
    }
    if !digit(col) {
        ed.beep();
        return;
    }
    let negative = col > 0 && byte_at(line, col - 1) == b'-';
    let digits = (col..line.len()).take_while(|&col| digit(col)).count();
    let value = value(&line[col..col + digits]);
    let (value, now_negative) = sum(value, negative, up, count.max(1));
    let padded = byte_at(line, col) == b'0';
    let new = written(value, now_negative, digits, padded);
    let from = col - usize::from(negative);
    if replace(ed, ed.cursor.row, from, col + digits, &new) {
        ed.cursor.col = (from + new.len()).max(1) - 1;
        ed.want_stale = true;
    }
}

fn replace(ed: &mut Editor, row: usize, from: usize, to: usize, new: &str) -> bool {
    if !ed.has_room(new.len()) {
        return false;
    }
    ed.splice(row, from, to, new);
    ed.marks.op_start = Some(Pos { row, col: from });
    ed.marks.op_end = Some(Pos { row, col: (from + new.len()).max(1) - 1 });
    true
}

fn value(digits: &str) -> u64 {
    digits.bytes().fold(0_u64, |value, digit| {
        let grown = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
        grown.unwrap_or(u64::MAX)
    })
}

/// Add or subtract; beyond zero the sign turns.
fn sum(value: u64, negative: bool, up: bool, count: usize) -> (u64, bool) {
    let count = count as u64;
    let grows = up != negative;
    let (new, wrapped) =
        if grows { value.overflowing_add(count) } else { value.overflowing_sub(count) };
    let (new, negative) = match (grows, wrapped) {
        (_, false) => (new, negative),
        (true, true) => (!new, !negative),
        (false, true) => ((!new).wrapping_add(1), !negative),
    };
    (new, negative && new != 0)
}

/// As wide as before, if it began with a zero.
fn written(value: u64, negative: bool, digits: usize, padded: bool) -> String {
    let sign = if negative { "-" } else { "" };
    let width = if padded { digits } else { 0 };
    format!("{sign}{value:0>width$}")
}

/// On the first number of each selected line.
pub(crate) fn run_on_area(ed: &mut Editor, area: Area) {
    let mut area = area;
    undo::save(ed, area.start.row, area.end.row + 1);
    if area.lines {
        ed.cursor.col = 0;
    }
    let progressive = ed.redo.visual.progressive;
    let step = area.times();
    let mut amount = step;
    let mut first_change = None;
    if !area.lines && !area.block && !area.inclusive {
        ed.lines.dec(&mut area.end);
    }
    for row in area.start.row..=area.end.row {
        let (col, len) = selected(ed, &mut area, row);
        let up = matches!(area.op, Op::Add { .. });
        if !change_selected(ed, Pos { row, col }, len, up, amount) {
            continue;
        }
        if first_change.is_none() {
            first_change = ed.marks.op_start;
        }
        if progressive {
            amount = amount.saturating_add(step);
        }
    }
    if first_change.is_some() {
        ed.marks.op_start = first_change;
    }
}

/// Column and length of the selected part of a row.
fn selected(ed: &mut Editor, area: &mut Area, row: usize) -> (usize, usize) {
    if area.block {
        let part = part(ed, area, row, false);
        return (part.col, part.len);
    }
    let len = ed.lines.get(row).len();
    if area.lines {
        return (0, len);
    }
    let from = if row == area.start.row { area.start.col } else { 0 };
    if row == area.end.row {
        area.end.col = area.end.col.min(len.max(1) - 1);
        return (from, (area.end.col + 1).saturating_sub(from));
    }
    (from, len.saturating_sub(from))
}

fn change_selected(ed: &mut Editor, pos: Pos, len: usize, up: bool, amount: usize) -> bool {
    let line = ed.lines.get(pos.row);
    if pos.col >= line.len() {
        return false;
    }
    let digit = |col: usize| byte_at(line, col).is_ascii_digit();
    let (mut col, mut left) = (pos.col, len.cast_signed());
    while col < line.len() && left > 0 && !digit(col) {
        let cell = cell_len(line, col);
        col += cell;
        left -= cell.cast_signed();
    }
    if left == 0 {
        return false;
    }
    if !digit(col) {
        ed.beep();
        return false;
    }
    let negative = col > pos.col && byte_at(line, col - 1) == b'-';
    let most = match (ed.visual.kind, ed.marks.visual.want >= COL_MAX) {
        (VisualKind::Line, _) | (_, true) => line.len() - col,
        (_, false) => left.max(0).cast_unsigned(),
    };
    let digits = (col..line.len()).take(most).take_while(|&col| digit(col)).count();
    let (value, now_negative) = sum(value(&line[col..col + digits]), negative, up, amount);
    let padded = byte_at(line, col) == b'0';
    // The sign is outside what is replaced, unless it goes.
    let drops_sign = negative && !now_negative;
    let new = written(value, now_negative && !negative, digits, padded);
    let from = col - usize::from(drops_sign);
    replace(ed, pos.row, from, col + digits, &new)
}
