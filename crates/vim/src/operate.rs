//! Operators: from a motion or a selection to the exact text that is worked on.

use crate::block;
use crate::block_object::in_indent;
use crate::command::Op;
use crate::editor::Editor;
use crate::key::Key;
use crate::motion::Moving;
use crate::redo::{self, RedoVisual};
use crate::text::{COL_MAX, Pos, cell_len, columns as text_columns};
use crate::visual::{Size, VisualKind, remember};
use crate::{block_insert, casing, change, delete, join, number, replace, shift, yank};

/// An operator that has its motion, or works on the selection.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) op: Op,
    pub(crate) register: Option<char>,
    /// 0: none was typed.
    pub(crate) count: usize,
    pub(crate) force: Option<VisualKind>,
    /// The motion's keys, for `.`.
    pub(crate) keys: Vec<Key>,
    pub(crate) moving: Moving,
}

/// The text an operator works on.
#[derive(Debug, Clone)]
pub(crate) struct Area {
    pub(crate) op: Op,
    pub(crate) register: Option<char>,
    pub(crate) count: usize,
    pub(crate) start: Pos,
    /// If `inclusive`, the last byte of the last character; else the place behind it.
    pub(crate) end: Pos,
    pub(crate) inclusive: bool,
    pub(crate) lines: bool,
    pub(crate) block: bool,
    /// Screen columns of a block.
    pub(crate) first_column: usize,
    pub(crate) last_column: usize,
    pub(crate) rows: usize,
    pub(crate) empty: bool,
    pub(crate) from_visual: bool,
    pub(crate) forced: bool,
    pub(crate) long_jump: bool,
}

impl Area {
    pub(crate) fn times(&self) -> usize {
        self.count.max(1)
    }
}

pub(crate) fn run(ed: &mut Editor, request: &Request) {
    let area = settle(ed, request);
    match area.op {
        Op::Yank => {
            yank::run(ed, &area);
            ed.check_cursor_col();
        }
        Op::Delete => delete::run(ed, area),
        Op::Change => change::run(ed, area),
        Op::ShiftLeft | Op::ShiftRight => shift::run(ed, &area),
        Op::ToggleCase | Op::Upper | Op::Lower => {
            casing::run(ed, area);
            ed.check_cursor_col();
        }
        Op::Join | Op::JoinPlain => {
            let rows = area.rows.max(2);
            if ed.cursor.row + rows > ed.lines.count() {
                ed.beep();
            } else {
                join::run(
                    ed,
                    rows,
                    join::How { spaces: area.op == Op::Join, save: true, marks: true },
                );
            }
        }
        Op::Replace(key) => replace::run(ed, area, key),
        Op::Insert | Op::Append => block_insert::run(ed, area),
        Op::Add { .. } | Op::Subtract { .. } => {
            number::run_on_area(ed, area);
            ed.check_cursor_col();
        }
    }
}

fn settle(ed: &mut Editor, request: &Request) -> Area {
    let moving = &request.moving;
    let mut area = Area {
        op: request.op,
        register: request.register,
        count: request.count,
        start: moving.start,
        end: ed.cursor,
        inclusive: moving.inclusive,
        lines: moving.lines,
        block: false,
        first_column: ed.visual.first_column,
        last_column: ed.visual.last_column,
        rows: 1,
        empty: false,
        from_visual: ed.visual.active,
        forced: request.force.is_some(),
        long_jump: moving.long_jump,
    };
    force_kind(ed, request.force, &mut area);
    if area.op != Op::Yank && (!ed.visual.active || area.forced) {
        let force = request.force.map(force_key);
        let keys: Vec<Key> =
            area.op.keys().into_iter().chain(force).chain(request.keys.iter().copied()).collect();
        redo::prepare(ed, area.register, area.count, &keys);
    }
    take_selection(ed, &mut area);
    order_ends(ed, &mut area);
    if ed.visual.active || ed.redo.visual_busy {
        shape_selection(ed, &mut area);
    }
    if area.inclusive {
        let len = cell_len(ed.lines.get(area.end.row), area.end.col);
        area.end.col += len.max(1) - 1;
    }
    ed.want_stale = true;
    let nothing = !area.inclusive || (area.op == Op::Yank && ed.lines.char_at(area.end) == '\0');
    area.empty = !area.lines && nothing && area.start == area.end;
    end_before_newline(ed, &mut area, moving.exact_end);
    area
}

fn force_key(kind: VisualKind) -> Key {
    match kind {
        VisualKind::Char => Key::Char('v'),
        VisualKind::Line => Key::Char('V'),
        VisualKind::Block => Key::Ctrl('v'),
    }
}

fn force_kind(ed: &mut Editor, force: Option<VisualKind>, area: &mut Area) {
    match force {
        None => {}
        Some(VisualKind::Line) => area.lines = true,
        Some(VisualKind::Char) => {
            area.inclusive = !area.lines && !area.inclusive;
            area.lines = false;
        }
        Some(VisualKind::Block) => {
            if !ed.visual.active {
                ed.visual.active = true;
                ed.visual.start = area.start;
            }
            ed.visual.kind = VisualKind::Block;
        }
    }
}

/// Start from the selection; a repeated operator takes as much text as the first time.
fn take_selection(ed: &mut Editor, area: &mut Area) {
    if ed.redo.visual_busy {
        let before = ed.redo.visual;
        area.start = ed.cursor;
        ed.cursor.row = (ed.cursor.row + before.rows.max(1) - 1).min(ed.lines.last());
        ed.visual.kind = before.kind;
        if before.kind == VisualKind::Char {
            let column = ed.normal_column();
            ed.want = match before.rows {
                // Vim's sum of a column and "to the end of the line" runs over: it means column 0.
                0 | 1 if before.columns >= COL_MAX && column > 1 => 0,
                0 | 1 => (column + before.columns).saturating_sub(1),
                _ => before.columns,
            };
            ed.advance_to_column(ed.want);
        } else if before.columns >= COL_MAX {
            ed.want = COL_MAX;
            ed.advance_to_column(COL_MAX);
        }
        area.count = before.count;
    } else if ed.visual.active {
        remember(ed);
        if let Some(kind) = ed.visual.kind_before.take() {
            ed.marks.visual.kind = kind;
        }
        area.start = ed.visual.start;
        if ed.visual.kind == VisualKind::Line {
            area.start.col = 0;
        }
    }
}

fn order_ends(ed: &mut Editor, area: &mut Area) {
    if area.start < ed.cursor {
        area.end = ed.cursor;
        ed.cursor = area.start;
    } else {
        area.end = area.start;
        area.start = ed.cursor;
    }
    area.end.row = area.end.row.min(ed.lines.last());
    area.end.col = area.end.col.min(ed.lines.get(area.end.row).len());
    area.rows = area.end.row - area.start.row.min(area.end.row) + 1;
}

fn shape_selection(ed: &mut Editor, area: &mut Area) {
    let kind = ed.visual.kind;
    if kind == VisualKind::Block {
        block::settle(ed, area);
    }
    if !ed.redo.visual_busy {
        ed.visual.size = Some(measure_selection(ed, area));
    }
    ed.visual.first_column = area.first_column;
    ed.visual.last_column = area.last_column;
    if area.op != Op::Yank && !area.forced {
        let keys = [vec![Key::Char('v')], area.op.keys()].concat();
        redo::prepare(ed, area.register, 0, &keys);
        if let Some(size) = ed.visual.size.filter(|_| !ed.redo.visual_busy) {
            ed.redo.visual = RedoVisual {
                kind: size.kind,
                rows: size.rows,
                columns: size.columns,
                count: area.count,
                progressive: matches!(
                    area.op,
                    Op::Add { progressive: true } | Op::Subtract { progressive: true }
                ),
            };
        }
    }
    if !area.forced || area.lines {
        area.inclusive = true;
    }
    area.lines = kind == VisualKind::Line;
    if kind == VisualKind::Char && ed.lines.char_at(area.end) == '\0' {
        area.inclusive = false;
        let on_lines = matches!(area.op, Op::ShiftLeft | Op::ShiftRight | Op::Join | Op::JoinPlain);
        if !on_lines && area.end.row < ed.lines.last() {
            area.end = Pos { row: area.end.row + 1, col: 0 };
            area.rows += 1;
        }
    }
    ed.redo.visual_busy = false;
    ed.visual.active = false;
}

/// The size of a selection, to make one like it later.
fn measure_selection(ed: &Editor, area: &mut Area) -> Size {
    let kind = ed.visual.kind;
    let mut columns = COL_MAX;
    if ed.want < COL_MAX {
        let span = |pos: Pos| text_columns(ed.lines.get(pos.row), pos.col);
        if kind != VisualKind::Block {
            area.last_column = span(area.end).1;
            if area.rows <= 1 {
                area.first_column = span(area.start).0;
            }
        }
        columns = if kind == VisualKind::Block || area.rows <= 1 {
            (area.last_column + 1).saturating_sub(area.first_column)
        } else {
            area.last_column
        };
    }
    Size { kind, rows: area.rows, columns }
}

/// A motion that ends in column 0 ends behind the line before; if it started in the indent, it is
/// one of whole lines. Strange, but so it always was.
fn end_before_newline(ed: &Editor, area: &mut Area, exact_end: bool) {
    let applies = !area.lines
        && !area.inclusive
        && !exact_end
        && area.end.col == 0
        && !area.from_visual
        && !area.block
        && area.rows > 1;
    if !applies {
        return;
    }
    area.rows -= 1;
    area.end.row -= 1;
    if in_indent(ed, 0) {
        area.lines = true;
        return;
    }
    area.end.col = ed.lines.get(area.end.row).len();
    if area.end.col > 0 {
        area.end.col -= 1;
        area.inclusive = true;
    }
}
