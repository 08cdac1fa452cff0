//! `I` and `A` on a selection: what is inserted in the first line goes into the others.

use crate::block::{Part, part};
use crate::command::Op;
use crate::editor::Editor;
use crate::insert::{self, After, Begin};
use crate::operate::Area;
use crate::text::{COL_MAX, Pos, char_at, columns, floor, head, indent_len, indent_width};
use crate::undo;

/// The first line of a block before the insert.
#[derive(Debug, Clone)]
pub(crate) struct BlockInsert {
    area: Area,
    part: Part,
    to_ends: bool,
    /// Bytes behind the place of the insert.
    rest: usize,
    indent: usize,
    indent_cells: usize,
    from: Pos,
}

pub(crate) fn run(ed: &mut Editor, area: Area) {
    let restart = ed.insert.restart.take();
    let to_ends = ed.want >= COL_MAX;
    ed.cursor.row = area.start.row;
    let mut first = Part::default();
    let mut rest = 0;
    if area.block {
        first = part(ed, &area, area.start.row, true);
        let line = ed.lines.get(area.start.row);
        let at = if area.op == Op::Append { first.col + first.len } else { first.col };
        rest = line.len().saturating_sub(at);
    }
    let indent = indent_len(ed.row());
    let indent_cells = indent_width(ed.row());
    if area.op == Op::Append {
        if area.block {
            to_right_edge(ed, &mut first, to_ends);
        } else {
            ed.cursor = area.end;
            ed.check_cursor_col();
            if !ed.row().is_empty() && area.first_column != area.last_column {
                ed.inc_cursor();
            }
            // The end of an area may be the last byte of a letter.
            ed.cursor.col = floor(ed.row(), ed.cursor.col);
        }
    }
    let count = area.times();
    let from = ed.cursor;
    let after = After::BlockInsert(BlockInsert {
        area,
        part: first,
        to_ends,
        rest,
        indent,
        indent_cells,
        from,
    });
    insert::begin(ed, Begin { count, after, restart_after: restart, ..Begin::operator() });
}

/// The cursor right of the block; a first line that is too short is filled up.
fn to_right_edge(ed: &mut Editor, first: &mut Part, to_ends: bool) {
    ed.want_stale = true;
    let line = ed.row();
    ed.cursor.col = ed.cursor.col.max((first.col + first.len).min(line.len()));
    if first.short && !to_ends {
        undo::save_cursor_row(ed);
        if ed.has_room(first.end_spaces) {
            let Pos { row, col } = ed.cursor;
            ed.splice(row, col, col, &" ".repeat(first.end_spaces));
            ed.cursor.col += first.end_spaces;
            first.len += first.end_spaces;
        }
    }
}

/// The insert is over: copy it to the other lines.
pub(crate) fn finish(ed: &mut Editor, insert: BlockInsert) {
    let mut insert = insert;
    let original = ed.insert.original_start;
    if insert.area.start.row == original.row && original < insert.area.start {
        insert.area.start = original;
    }
    if ed.cursor.row != insert.area.start.row || !insert.area.block {
        return;
    }
    let Some(text) = inserted_text(ed, &mut insert) else {
        return;
    };
    let area = &insert.area;
    undo::save(ed, area.start.row + 1, area.end.row + 1);
    copy_to_rows(ed, area, &text, insert.to_ends);
    ed.cursor.col = insert.area.start.col;
    ed.check_cursor();
}

/// What was inserted in the first line, if that can be told.
fn inserted_text(ed: &Editor, insert: &mut BlockInsert) -> Option<String> {
    let row = insert.area.start.row;
    let grew = adjust_for_indent(ed, insert);
    let mut rest = insert.rest.cast_signed();
    if row == ed.insert.original_start.row && !insert.to_ends && !grew {
        adjust_for_moved_start(ed, insert, &mut rest);
    }
    let mut now = part(ed, &insert.area, row, true);
    if !insert.to_ends || now.len < insert.part.len {
        if insert.area.op == Op::Append {
            rest += now.len.cast_signed() - insert.part.len.cast_signed();
            if now.end_spaces > 0 {
                now.len = now.len.saturating_sub(1);
            }
        }
        insert.part.col = now.col;
        insert.part.len = now.len;
    }
    let line = ed.lines.get(row);
    let mut at = insert.part.col;
    let mut moved = 0;
    if insert.area.op == Op::Append {
        at += insert.part.len;
        let start = ed.insert.start;
        if insert.to_ends && insert.from.row == start.row && insert.from.col > start.col {
            moved = insert.from.col - start.col;
            at = at.saturating_sub(moved);
            if insert.area.last_column <= moved {
                return None;
            }
            insert.area.last_column -= moved + 1;
        }
    }
    let from = floor(line, at);
    let len = (line.len() - from).cast_signed() - rest - moved.cast_signed();
    if rest < 0 || len <= 0 {
        return None;
    }
    Some(line[from..floor(line, from.saturating_add_signed(len))].to_owned())
}

/// The inserted text made the indent longer: the block moves with it.
fn adjust_for_indent(ed: &Editor, insert: &mut BlockInsert) -> bool {
    let line = ed.lines.get(insert.area.start.row);
    let indent = indent_len(line);
    let op_start = ed.marks.op_start.unwrap_or_default();
    let grew = op_start.col > insert.indent && indent > insert.indent;
    if grew {
        insert.part.col += indent - insert.indent;
        insert.part.start_column += indent_width(line).saturating_sub(insert.indent_cells);
        if insert.part.col > indent {
            let cells = indent_width(line).saturating_sub(insert.indent_cells);
            insert.area.first_column += cells;
            insert.area.last_column += cells;
        }
    }
    grew
}

/// The cursor was moved before something was inserted.
fn adjust_for_moved_start(ed: &Editor, insert: &mut BlockInsert, rest: &mut isize) {
    let original = ed.insert.original_start;
    let column = columns(ed.lines.get(original.row), original.col).0;
    let moved = column.cast_signed() - insert.area.first_column.cast_signed();
    let area = &mut insert.area;
    if area.op == Op::Insert && area.start.col != original.col {
        area.start.col = original.col;
        *rest -= moved;
        area.first_column = column;
    } else if area.op == Op::Append && area.start.col >= original.col {
        area.start.col = original.col;
        *rest += insert.part.len.cast_signed() - moved;
        area.first_column = column;
        area.op = Op::Insert;
    }
}

fn copy_to_rows(ed: &mut Editor, area: &Area, text: &str, to_ends: bool) {
    for row in area.start.row + 1..=area.end.row.min(ed.lines.last()) {
        let part = part(ed, area, row, true);
        if area.op == Op::Insert && part.short {
            continue;
        }
        let line = ed.lines.get(row);
        let (mut at, cells, spaces) = if area.op == Op::Insert {
            (part.col, part.start_char_cells, part.start_spaces)
        } else if part.short {
            let missing = (area.last_column + 1).saturating_sub(part.end_column);
            (part.col + part.len, part.end_char_cells, if to_ends { 0 } else { missing })
        } else {
            let cells = part.end_char_cells;
            let cut = if part.end_spaces > 0 { cells - part.end_spaces } else { 0 };
            (part.col + part.len - usize::from(cut != 0), cells, cut)
        };
        if spaces > 0 {
            at = head(line, at);
        }
        let splits_tab = spaces > 0 && !part.short && char_at(line, at) == '\t';
        let mut new = " ".repeat(spaces);
        new.push_str(text);
        if splits_tab {
            new.push_str(&" ".repeat(cells.saturating_sub(spaces)));
        }
        if !ed.has_room(new.len()) {
            return;
        }
        ed.splice(row, at, at + usize::from(splits_tab), &new);
        if row == area.end.row {
            ed.marks.op_end = Some(Pos { row, col: at + new.len() });
        }
    }
}
