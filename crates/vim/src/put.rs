//! Putting registers into the text: `p`, `P`, `gp`, `gP`, also over a selection.

use crate::chars::{width, width_at};
use crate::command::Op;
use crate::editor::Editor;
use crate::key::Key;
use crate::motion::{Moving, Start, line_start};
use crate::operate::{self, Request};
use crate::redo::{self, Stroke};
use crate::register::{Register, Shape};
use crate::text::{COL_MAX, Pos, cell_len, char_at, columns, floor, head};
use crate::undo;
use crate::visual::VisualKind;

/// How a register goes into the text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    pub(crate) before: bool,
    /// The cursor rests behind the new text.
    pub(crate) rest_behind: bool,
    /// As lines, whatever the register holds.
    pub(crate) as_lines: bool,
    /// Lines go between the halves of the line that is split at the cursor.
    pub(crate) split: bool,
    /// Lines go below the block.
    pub(crate) below_block: bool,
}

/// A put command.
pub(crate) fn command(
    ed: &mut Editor,
    name: Option<char>,
    count: usize,
    before: bool,
    rest_behind: bool,
) {
    let letter = if before { 'P' } else { 'p' };
    let keys = [Key::Char('g'), Key::Char(letter)];
    redo::prepare(ed, name, count, if rest_behind { &keys } else { &keys[1..] });
    let how = How { before, rest_behind, ..How::default() };
    if ed.visual.active {
        over_selection(ed, name, count, how);
    } else {
        put(ed, name, count.max(1), how);
    }
}

/// The put text takes the place of the selected.
fn over_selection(ed: &mut Editor, name: Option<char>, count: usize, how: How) {
    let overwritten = match name {
        None => true,
        Some(c) => c == '"' || c == '-' || c.is_ascii_digit(),
    };
    let old = overwritten.then(|| ed.registers.read(name).clone());
    let delete = Request {
        op: Op::Delete,
        register: if how.before { Some('_') } else { None },
        count,
        force: None,
        keys: Vec::new(),
        moving: Moving::new(Some(Op::Delete), 0, ed.cursor),
    };
    operate::run(ed, &delete);
    let emptied = ed.lines.none;
    let deleted = old.map(|old| {
        let deleted = ed.registers.read(name).clone();
        ed.registers.restore(name, old);
        deleted
    });
    let kind = ed.visual.kind;
    let start = ed.marks.op_start.unwrap_or_default();
    let at_end = if kind == VisualKind::Line {
        ed.cursor.row < start.row
    } else {
        ed.cursor.col < start.col
    };
    ed.visual.active = true;
    put(
        ed,
        name,
        count.max(1),
        How {
            before: !at_end,
            rest_behind: how.rest_behind,
            as_lines: kind == VisualKind::Line,
            split: kind == VisualKind::Char,
            below_block: kind == VisualKind::Block && !how.before,
        },
    );
    if let Some(deleted) = deleted {
        ed.registers.restore(name, deleted);
    }
    ed.marks.visual.start = ed.marks.op_start;
    ed.marks.visual.end = ed.marks.op_end;
    if emptied && ed.lines.is_empty_row(ed.lines.last()) {
        ed.lines.remove(ed.lines.last());
        if ed.cursor.row > ed.lines.last() {
            ed.cursor.row = ed.lines.last();
            ed.advance_to_column(COL_MAX);
        }
    }
}

/// Put a register `count` times.
pub(crate) fn put(ed: &mut Editor, name: Option<char>, count: usize, how: How) {
    ed.marks.op_start = Some(ed.cursor);
    ed.marks.op_end = Some(ed.cursor);
    if name == Some('.') {
        put_last_insert(ed, count, how);
        return;
    }
    if matches!(name, Some('%' | '#' | ':' | '/')) {
        ed.beep();
        return;
    }
    undo::save(ed, ed.cursor.row + 1, ed.cursor.row + 1);
    let black_hole = Register { lines: vec![String::new()], ..Register::EMPTY };
    let register = if name == Some('_') { black_hole } else { ed.registers.read(name).clone() };
    put_text(ed, &register, count, how);
    ed.visual.active = false;
    ed.adjust_cursor_eol();
}

fn put_last_insert(ed: &mut Editor, count: usize, how: How) {
    if ed.insert.last_insert.is_empty() {
        ed.beep();
        return;
    }
    let text = ed.insert.last_insert.clone();
    let start = Stroke::Key(Key::Char(if how.before { 'i' } else { 'a' }));
    let bounded = count.min(crate::limits::KEYS_QUEUED_MAX);
    let body = std::iter::repeat_n(text, bounded).flatten();
    let strokes = std::iter::once(start)
        .chain(body.take(crate::limits::KEYS_QUEUED_MAX))
        .chain([Stroke::Key(Key::Esc)]);
    if !redo::stuff(ed, strokes) {
        ed.beep();
    }
}

fn put_text(ed: &mut Editor, register: &Register, count: usize, how: How) {
    let mut how = how;
    let bytes = register.bytes().saturating_add(register.lines.len());
    if !ed.has_room(bytes.saturating_mul(count)) {
        return;
    }
    let mut added = 0;
    if register.shape == Shape::Lines {
        if how.split {
            split_line(ed, how.before);
            added = 1;
            how.before = false;
        }
        if how.below_block {
            ed.cursor = ed.marks.visual.end.unwrap_or_default();
            ed.cursor.row = ed.cursor.row.min(ed.lines.last());
            how.before = false;
        }
        ed.marks.op_start = Some(ed.cursor);
        ed.marks.op_end = Some(ed.cursor);
    }
    if register.lines.is_empty() {
        ed.beep();
        return;
    }
    let shape = if how.as_lines { Shape::Lines } else { register.shape };
    match shape {
        Shape::Block { width } => put_block(ed, &register.lines, width, count, how),
        Shape::Lines => put_lines(ed, &register.lines, count, how, added),
        Shape::Chars if register.lines.len() == 1 => {
            put_in_line(ed, &register.lines[0], count, how);
        }
        Shape::Chars => put_over_lines(ed, &register.lines, count, how, added),
    }
    ed.want_stale = true;
    ed.cursor.col = ed.cursor.col.min(ed.row().len());
}

fn split_line(ed: &mut Editor, before: bool) {
    undo::save_cursor_row(ed);
    let Pos { row, col } = ed.cursor;
    let line = ed.row();
    let at = floor(line, if before { col } else { col + cell_len(line, col) });
    let rest = line[at..].to_owned();
    ed.splice(row, at, usize::MAX, "");
    ed.lines.insert(row + 1, rest);
}

fn put_lines(ed: &mut Editor, lines: &[String], count: usize, how: How, added: usize) {
    let first = if how.before { ed.cursor.row } else { ed.cursor.row + 1 };
    if ed.lines.is_blank() {
        undo::save(ed, 0, 1);
    } else {
        undo::save(ed, first, first);
    }
    let total = lines.len() * count;
    for i in 0..total {
        ed.lines.insert(first + i, lines[i % lines.len()].clone());
    }
    ed.marks.shift_rows(first, 0, (total + added).cast_signed());
    let last = lines.last().map_or("", String::as_str);
    let end_col = if last.len() > 1 { head(last, last.len() - 1) } else { 0 };
    ed.marks.op_start = Some(Pos { row: first, col: 0 });
    ed.marks.op_end = Some(Pos { row: first + total - 1, col: end_col });
    if how.rest_behind {
        ed.cursor = Pos { row: (first + total).min(ed.lines.last()), col: 0 };
    } else {
        ed.cursor = Pos { row: first, col: 0 };
        line_start(ed, Start::NonBlank);
    }
}

/// Text within one line; over a block, into each of its lines.
fn put_in_line(ed: &mut Editor, text: &str, count: usize, how: How) {
    undo::save_cursor_row(ed);
    let mut col = ed.cursor.col;
    let mut op_end = ed.cursor;
    if !how.before && ed.char() != '\0' {
        let len = cell_len(ed.row(), col);
        col += len;
        if !text.is_empty() {
            ed.cursor.col += len;
            op_end.col += len;
        }
    }
    ed.marks.op_start = Some(ed.cursor);
    ed.marks.op_end = Some(op_end);
    let first_row = ed.cursor.row;
    let mut last_row = first_row;
    if ed.visual.active {
        let area = &ed.marks.visual;
        let ends = [area.start, area.end].into_iter().flatten().map(|pos| pos.row);
        last_row = ends.max().unwrap_or(first_row).clamp(first_row, ed.lines.last());
    }
    let mut last_char = 0;
    let mut total = 0;
    if !text.is_empty() {
        let new = text.repeat(count);
        total = new.len();
        let at = Pos { row: first_row, col };
        let column = column_of(ed, at);
        for row in first_row..=last_row {
            if row > first_row {
                col = ed.col_at_column(row, column);
                if columns(ed.lines.get(row), col).0 < column {
                    continue;
                }
            }
            if ed.visual.active && col > ed.lines.get(row).len() || !ed.has_room(total) {
                continue;
            }
            ed.splice(row, col, col, &new);
            let end = col + total - 1;
            last_char = end - head(ed.lines.get(row), end).min(end);
            if row == ed.cursor.row {
                ed.cursor.col += total - 1;
            }
        }
    }
    ed.marks.op_end = Some(Pos { col: ed.cursor.col.saturating_sub(last_char), ..ed.cursor });
    if total > 0 && (ed.insert.restart.is_some() || how.rest_behind) {
        ed.cursor.col += 1;
    } else {
        ed.cursor.col = ed.cursor.col.saturating_sub(last_char);
    }
}

fn column_of(ed: &Editor, pos: Pos) -> usize {
    columns(ed.lines.get(pos.row), pos.col).0
}

/// Text of several lines: the cursor's line is broken in two around it.
fn put_over_lines(ed: &mut Editor, lines: &[String], count: usize, how: How, added: usize) {
    undo::save_cursor_row(ed);
    let Pos { row, mut col } = ed.cursor;
    if !how.before && ed.char() != '\0' {
        let len = cell_len(ed.row(), col);
        col += len;
        if !lines[0].is_empty() {
            ed.cursor.col += len;
        }
    }
    let start = ed.cursor;
    ed.marks.op_start = Some(start);
    let (first, last) = (&lines[0], &lines[lines.len() - 1]);
    for _ in 0..count {
        let rest = ed.lines.get(row)[floor(ed.lines.get(row), col)..].to_owned();
        ed.splice(row, col, usize::MAX, first);
        for (i, line) in lines[1..lines.len() - 1].iter().enumerate() {
            ed.lines.insert(row + 1 + i, line.clone());
        }
        ed.lines.insert(row + lines.len() - 1, [last.as_str(), &rest].concat());
    }
    let total = (lines.len() - 1) * count + added;
    ed.marks.shift_rows(row + 1, 0, total.cast_signed());
    let end_row = row + (lines.len() - 1) * count;
    let end_col = if last.len() > 1 { head(last, last.len() - 1) } else { 0 };
    ed.marks.op_end = Some(Pos { row: end_row, col: end_col });
    if how.rest_behind {
        ed.cursor = Pos { row: end_row, col: last.len() };
        let col = if last.len() > 1 { last.len() - 1 } else { last.len() };
        ed.marks.op_end = Some(Pos { row: end_row, col });
    } else {
        ed.cursor = start;
    }
}

/// A block: each line of it at the same screen column.
fn put_block(ed: &mut Editor, lines: &[String], block_width: usize, count: usize, how: How) {
    let first_row = ed.cursor.row;
    undo::save(ed, first_row, first_row + lines.len() + 1);
    let mut target = columns(ed.row(), ed.cursor.col).0;
    if !how.before && ed.char() != '\0' {
        target = columns(ed.row(), ed.cursor.col).1 + 1;
        ed.cursor.col += cell_len(ed.row(), ed.cursor.col);
    }
    let mut end = Pos::default();
    for (i, text) in lines.iter().enumerate() {
        let row = first_row + i;
        if row > ed.lines.last() {
            ed.lines.insert(row, String::new());
        }
        let gap = gap_at(ed.lines.get(row), target);
        let padding = (block_width + 1).saturating_sub(shown_width(text));
        let mut new = " ".repeat(gap.spaces_before);
        for round in 0..count {
            new.push_str(text);
            if round + 1 < count || !gap.short {
                new.push_str(&" ".repeat(padding));
            }
        }
        new.push_str(&" ".repeat(gap.spaces_behind));
        if !ed.has_room(new.len()) {
            return;
        }
        ed.splice(row, gap.col, gap.col + gap.cut, &new);
        end = Pos { row, col: (gap.col + new.len()).max(1) - 1 };
        if i == 0 {
            ed.cursor.col += gap.spaces_before;
        }
    }
    ed.marks.op_start = Some(Pos { row: first_row, ..ed.cursor });
    ed.marks.op_end = Some(end);
    ed.cursor.row = first_row;
    if how.rest_behind {
        ed.cursor = Pos { row: end.row, col: end.col + 1 };
        ed.cursor.col = ed.cursor.col.min(ed.row().len());
    }
}

/// Where a block goes into a line, and what has to give way to it.
struct Gap {
    col: usize,
    cut: usize,
    spaces_before: usize,
    spaces_behind: usize,
    short: bool,
}

fn gap_at(line: &str, target: usize) -> Gap {
    let (mut col, mut column, mut cells) = (0, 0, 0);
    while column < target && col < line.len() {
        cells = width_at(char_at(line, col), column);
        column += cells;
        col += cell_len(line, col);
    }
    let short = column < target || (column == target && col >= line.len());
    let mut gap = Gap { col, cut: 0, spaces_before: 0, spaces_behind: 0, short };
    if column < target {
        gap.spaces_before = target - column;
    } else if column > target {
        gap.spaces_behind = column - target;
        gap.spaces_before = cells - gap.spaces_behind;
        gap.col = head(line, col - 1);
        gap.cut = 1;
        // Only a tab can be split; other characters go behind the block.
        if char_at(line, gap.col) != '\t' {
            gap.cut = 0;
            gap.spaces_behind = 0;
        }
    }
    gap
}

/// The width Vim reckons for a block's line: every byte beyond a character's first counts four.
fn shown_width(text: &str) -> usize {
    text.chars()
        .map(|c| {
            let own = if c == '\t' { width_at(c, 0) } else { width(c) };
            own + 4 * (c.len_utf8() - 1)
        })
        .sum()
}
