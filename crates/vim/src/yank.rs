//! Yanking: text into registers.

use crate::block::part;
use crate::editor::Editor;
use crate::operate::Area;
use crate::register::{Register, Shape, is_writable};
use crate::text::{COL_MAX, floor};

/// `y`
pub(crate) fn run(ed: &mut Editor, area: &Area) {
    if !into_register(ed, area, area.register) {
        ed.beep();
    }
}

/// Put the text into a register and set the marks; `false`: it cannot be written.
pub(crate) fn into_register(ed: &mut Editor, area: &Area, name: Option<char>) -> bool {
    if name.is_some_and(|name| !is_writable(name)) {
        return false;
    }
    if name == Some('_') {
        return true;
    }
    let text = text(ed, area);
    let fits = ed.registers.write(name, text);
    set_marks(ed, area);
    fits
}

/// A charwise yank from column 0 to column 0 is one of whole lines.
fn is_of_lines(area: &Area) -> bool {
    let from_start_to_start = area.start.col == 0
        && !area.inclusive
        && !area.from_visual
        && !area.block
        && area.end.col == 0
        && area.rows > 1;
    area.lines || from_start_to_start
}

pub(crate) fn set_marks(ed: &mut Editor, area: &Area) {
    let (mut start, mut end) = (area.start, area.end);
    if is_of_lines(area) && !area.block {
        start.col = 0;
        end.col = COL_MAX;
    }
    ed.marks.op_start = Some(start);
    ed.marks.op_end = Some(end);
}

/// The text of an area as a register holds it.
pub(crate) fn text(ed: &Editor, area: &Area) -> Register {
    if area.block {
        return block_text(ed, area);
    }
    if is_of_lines(area) {
        let end = if area.lines { area.end.row + 1 } else { area.end.row };
        let lines = (area.start.row..end).map(|row| ed.lines.get(row).to_owned()).collect();
        return Register { lines, shape: Shape::Lines, foreign: false };
    }
    let mut lines = Vec::with_capacity(area.rows);
    for row in area.start.row..=area.end.row {
        let line = ed.lines.get(row);
        let from = if row == area.start.row { floor(line, area.start.col) } else { 0 };
        let to = if row == area.end.row {
            floor(line, area.end.col + usize::from(area.inclusive))
        } else {
            line.len()
        };
        lines.push(line[from..to.max(from)].to_owned());
    }
    Register { lines, shape: Shape::Chars, foreign: false }
}

fn block_text(ed: &Editor, area: &Area) -> Register {
    let mut width = area.last_column - area.first_column.min(area.last_column);
    if ed.want >= COL_MAX && width > 0 {
        width -= 1;
    }
    let mut lines = Vec::with_capacity(area.rows);
    for row in area.start.row..=area.end.row {
        let part = part(ed, area, row, false);
        let line = ed.lines.get(row);
        let from = floor(line, part.col);
        let to = floor(line, part.col + part.len);
        let mut text = " ".repeat(part.start_spaces);
        text.push_str(&line[from..to]);
        text.push_str(&" ".repeat(part.end_spaces));
        lines.push(text);
    }
    Register { lines, shape: Shape::Block { width }, foreign: false }
}
