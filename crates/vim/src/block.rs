//! Blocks: columns of text over several lines, with tabs and wide characters cut where need be.

use crate::chars::{is_white, width_at};
use crate::command::Op;
use crate::editor::Editor;
use crate::operate::Area;
use crate::text::{COL_MAX, cell_len, char_at, columns, head, line_width};

/// The part of one line that is inside a block.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Part {
    /// Deleting: cells of the first character that stay. Yanking: cells of it that are taken.
    pub(crate) start_spaces: usize,
    pub(crate) end_spaces: usize,
    pub(crate) len: usize,
    pub(crate) col: usize,
    pub(crate) start_column: usize,
    pub(crate) end_column: usize,
    /// The line ends before the block does.
    pub(crate) short: bool,
    /// The block lies within one character.
    pub(crate) one_char: bool,
    /// Cells and bytes of the blanks right before the block.
    pub(crate) white_cells: usize,
    pub(crate) white_len: usize,
    pub(crate) start_char_cells: usize,
    pub(crate) end_char_cells: usize,
}

/// Find the columns of a selected block, and put its ends on its corners.
pub(crate) fn settle(ed: &mut Editor, area: &mut Area) {
    area.block = true;
    area.end.col = head(ed.lines.get(area.end.row), area.end.col);
    let start = columns(ed.lines.get(area.start.row), area.start.col);
    (area.first_column, area.last_column) = start;
    if !ed.redo.visual_busy {
        let end = columns(ed.lines.get(area.end.row), area.end.col);
        area.first_column = area.first_column.min(end.0);
        area.last_column = area.last_column.max(end.1);
    }
    if ed.want >= COL_MAX {
        let widths = (area.start.row..=area.end.row).map(|row| line_width(ed.lines.get(row)));
        area.last_column = widths.max().unwrap_or(0);
    } else if ed.redo.visual_busy {
        area.last_column = (area.first_column + ed.redo.visual.columns).saturating_sub(1);
    }
    ed.cursor.row = area.end.row;
    ed.advance_to_column(area.last_column);
    area.end = ed.cursor;
    ed.cursor = area.start;
    ed.advance_to_column(area.first_column);
    area.start = ed.cursor;
}

/// The part of a line inside the block. `deleting`: the cells to keep are counted, not those taken.
pub(crate) fn part(ed: &Editor, area: &Area, row: usize, deleting: bool) -> Part {
    let line = ed.lines.get(row);
    let mut part = Part::default();
    let (mut col, mut column, mut cells, mut before) = (0, 0, 0, 0);
    while column < area.first_column && col < line.len() {
        let c = char_at(line, col);
        cells = width_at(c, column);
        column += cells;
        if is_white(c) {
            part.white_cells += cells;
            part.white_len += 1;
        } else {
            (part.white_cells, part.white_len) = (0, 0);
        }
        before = col;
        col += cell_len(line, col);
    }
    part.start_column = column;
    part.start_char_cells = cells;
    part.end_column = column;
    part.col = col;
    let width = area.last_column + 1 - area.first_column.min(area.last_column + 1);
    if column < area.first_column {
        part.short = true;
        if !deleting || area.op == Op::Append {
            part.end_spaces = width;
        }
        return part;
    }
    part.start_spaces = column - area.first_column;
    if deleting && part.start_spaces > 0 {
        part.start_spaces = part.start_char_cells - part.start_spaces;
    }
    let mut end = col;
    if column > area.last_column {
        within_one_char(area, deleting, width, &mut part);
    } else {
        let mut last = end;
        while column <= area.last_column && end < line.len() {
            last = end;
            cells = width_at(char_at(line, end), column);
            column += cells;
            end += cell_len(line, end);
        }
        part.end_column = column;
        let may_be_short = !deleting || matches!(area.op, Op::Append | Op::Replace(_));
        if column <= area.last_column && may_be_short {
            part.short = true;
            if area.op == Op::Append {
                part.end_spaces = area.last_column - column + usize::from(area.inclusive);
            }
        } else if column > area.last_column {
            part.end_spaces = column - area.last_column - 1;
            if !deleting && part.end_spaces > 0 {
                part.end_spaces = cells - part.end_spaces;
                if end != col {
                    end = last;
                }
            }
        }
    }
    part.end_char_cells = cells;
    if deleting && part.start_spaces > 0 {
        part.col = before;
    }
    part.len = end - part.col;
    part
}

fn within_one_char(area: &Area, deleting: bool, width: usize, part: &mut Part) {
    part.one_char = true;
    match area.op {
        Op::Insert => part.end_spaces = part.start_char_cells - part.start_spaces,
        Op::Append => {
            part.start_spaces += width;
            part.end_spaces = part.start_char_cells.saturating_sub(part.start_spaces);
        }
        op => {
            part.start_spaces = width;
            if deleting && op != Op::ShiftLeft {
                let taken = part.start_column - area.first_column;
                part.start_spaces = part.start_char_cells - taken;
                part.end_spaces = part.start_column - area.last_column - 1;
            }
        }
    }
}
