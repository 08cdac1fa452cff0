//! Indent: `<` and `>`, on lines and on blocks.

use crate::block::part;
use crate::chars::{is_white, width_at};
use crate::command::Op;
use crate::editor::Editor;
use crate::limits::{TAB_WIDTH, TEXT_BYTES_MAX};
use crate::motion::{Start, line_start};
use crate::operate::Area;
use crate::text::{Pos, cell_len, char_at, indent_len, indent_width};
use crate::undo;

pub(crate) fn run(ed: &mut Editor, area: &Area) {
    undo::save(ed, area.start.row, area.end.row + 1);
    let amount = if area.from_visual { area.times() } else { 1 };
    let amount = amount.min(TEXT_BYTES_MAX);
    let left = area.op == Op::ShiftLeft;
    let col = ed.cursor.col;
    for row in area.start.row..=area.end.row {
        ed.cursor.row = row;
        if ed.row().is_empty() {
            continue;
        }
        if !area.block {
            shift_line(ed, left, amount, false);
        } else if left {
            block_left(ed, area, row, amount);
        } else {
            block_right(ed, area, row, amount);
        }
    }
    ed.cursor.row = area.start.row;
    if area.block {
        ed.cursor.col = col;
    } else {
        line_start(ed, Start::NonBlank);
    }
    ed.marks.op_start = Some(area.start);
    let last = ed.lines.get(area.end.row).len().max(1) - 1;
    ed.marks.op_end = Some(Pos { row: area.end.row, col: last });
}

/// Move the cursor's line by shift widths; `round`: to a multiple of them.
pub(crate) fn shift_line(ed: &mut Editor, left: bool, amount: usize, round: bool) {
    let indent = indent_width(ed.row());
    let by = amount.saturating_mul(TAB_WIDTH);
    let new = match (left, round) {
        (true, false) => indent.saturating_sub(by),
        (false, false) => indent + by,
        (true, true) => {
            let partly = usize::from(!indent.is_multiple_of(TAB_WIDTH));
            (indent / TAB_WIDTH).saturating_sub(amount - partly.min(amount)) * TAB_WIDTH
        }
        (false, true) => (indent / TAB_WIDTH + amount) * TAB_WIDTH,
    };
    set_indent(ed, new);
}

/// Tabs and then spaces for so many columns, as blanks of a line.
fn blanks(columns: usize) -> String {
    ["\t".repeat(columns / TAB_WIDTH), " ".repeat(columns % TAB_WIDTH)].concat()
}

/// Give the cursor's line an indent, and put the cursor behind it if that changes anything.
pub(crate) fn set_indent(ed: &mut Editor, columns: usize) {
    let Pos { row, .. } = ed.cursor;
    if !ed.has_room(columns / TAB_WIDTH + TAB_WIDTH) {
        return;
    }
    let old = indent_len(ed.row());
    let new = blanks(columns);
    if ed.row()[..old] == new {
        return;
    }
    ed.splice(row, 0, old, &new);
    ed.cursor.col = new.len();
}

fn block_right(ed: &mut Editor, area: &Area, row: usize, amount: usize) {
    let mut part = part(ed, area, row, true);
    if part.short || !ed.has_room(amount + TAB_WIDTH) {
        return;
    }
    let line = ed.lines.get(row);
    let mut total = amount * TAB_WIDTH + part.white_cells;
    let mut white_column = part.start_column - part.white_cells;
    let mut text = part.col;
    if part.start_spaces > 0 {
        if cell_len(line, text) == 1 {
            text += 1;
        } else {
            white_column = 0;
            part.start_spaces = 0;
        }
    }
    let mut column = part.start_column;
    while is_white(char_at(line, text)) {
        let cells = width_at(char_at(line, text), column);
        total += cells;
        column += cells;
        text += 1;
    }
    let to_tab_stop = white_column % TAB_WIDTH + total;
    let tabs = to_tab_stop / TAB_WIDTH;
    let spaces = if tabs > 0 { to_tab_stop % TAB_WIDTH } else { total };
    let from = (part.col + usize::from(part.start_spaces > 0)).saturating_sub(part.white_len);
    let new = ["\t".repeat(tabs), " ".repeat(spaces)].concat();
    ed.splice(row, from, text, &new);
}

fn block_left(ed: &mut Editor, area: &Area, row: usize, amount: usize) {
    let part = part(ed, area, row, true);
    if part.short {
        return;
    }
    let line = ed.lines.get(row);
    let mut text = part.col;
    if part.start_spaces > 0 {
        text += cell_len(line, text);
    }
    let mut column = part.start_column;
    while is_white(char_at(line, text)) {
        column += width_at(char_at(line, text), column);
        text += 1;
    }
    let blank = column.saturating_sub(area.first_column);
    let target = column - blank.min(amount * TAB_WIDTH);
    // What is before the target column stays as it is.
    let mut keep = part.col;
    let mut kept = part.start_column;
    if part.start_spaces > 0 {
        kept = kept.saturating_sub(part.start_char_cells);
    }
    while kept < target && keep < text {
        let cells = width_at(char_at(line, keep), kept);
        if kept + cells > target {
            break;
        }
        kept += cells;
        keep += cell_len(line, keep);
    }
    ed.splice(row, keep, text, &" ".repeat(target.saturating_sub(kept)));
}
