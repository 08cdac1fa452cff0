//! The selection: starting, changing and leaving visual mode.

use crate::command::Motion;
use crate::editor::Editor;
use crate::motion::{self, Moving};
use crate::text::{COL_MAX, Pos, columns};

/// What a selection is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VisualKind {
    #[default]
    Char,
    Line,
    Block,
}

/// The selection reaches from `start` to the cursor while it is active.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visual {
    pub(crate) active: bool,
    pub(crate) start: Pos,
    pub(crate) kind: VisualKind,
    /// The kind before a capital letter widened it, for `gv`.
    pub(crate) kind_before: Option<VisualKind>,
    /// The size of the last operated selection, for a count before `v`.
    pub(crate) size: Option<Size>,
    /// Screen columns of the last operated selection. As in Vim they are left over where a new
    /// selection does not need them.
    pub(crate) first_column: usize,
    pub(crate) last_column: usize,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) kind: VisualKind,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

/// The selection left last, for `gv`, `'<` and `'>`.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastVisual {
    pub(crate) start: Option<Pos>,
    pub(crate) end: Option<Pos>,
    pub(crate) kind: VisualKind,
    pub(crate) want: usize,
}

/// `v`, `V`, CTRL-V
pub(crate) fn toggle(ed: &mut Editor, kind: VisualKind, count: usize) {
    if ed.visual.active {
        if ed.visual.kind == kind {
            end(ed);
        } else {
            ed.visual.kind = kind;
        }
        return;
    }
    if let Some(size) = ed.visual.size.filter(|_| count > 0) {
        start_sized(ed, size, count);
        return;
    }
    ed.visual.kind = kind;
    ed.visual.active = true;
    ed.visual.start = ed.cursor;
    if count > 1 {
        let mut moving = Moving::new(None, count - 1, ed.cursor);
        let motion = match kind {
            VisualKind::Line => Motion::Down { first: false },
            _ => Motion::Right { wrap: false },
        };
        if !motion::run(ed, motion, &mut moving) {
            ed.beep();
        }
    }
}

/// As much as was operated on last, `count` times.
fn start_sized(ed: &mut Editor, size: Size, count: usize) {
    // As it is before the selection begins: on a tab its end.
    let column = ed.cursor_column();
    ed.visual.start = ed.cursor;
    ed.visual.active = true;
    if size.kind != VisualKind::Char || size.rows > 1 {
        ed.cursor.row = ed.cursor.row.saturating_add(size.rows.saturating_mul(count)) - 1;
        ed.check_cursor();
    }
    ed.visual.kind = size.kind;
    if size.kind == VisualKind::Char {
        if size.rows <= 1 {
            let columns = size.columns.saturating_mul(count).min(COL_MAX);
            ed.want = (column + columns).saturating_sub(1);
        } else {
            ed.want = size.columns;
        }
        ed.want_stale = false;
        ed.advance_to_column(ed.want);
    }
    if size.columns >= COL_MAX {
        ed.want = COL_MAX;
        ed.want_stale = false;
        ed.advance_to_column(COL_MAX);
    } else if size.kind == VisualKind::Block {
        let columns = size.columns.saturating_mul(count).min(COL_MAX);
        ed.want = (column + columns).saturating_sub(1);
        ed.want_stale = false;
        ed.advance_to_column(ed.want);
    } else {
        ed.want_stale = true;
    }
}

pub(crate) fn end(ed: &mut Editor) {
    ed.visual.active = false;
    remember(ed);
    ed.adjust_cursor_eol();
}

/// For `gv` and the marks.
pub(crate) fn remember(ed: &mut Editor) {
    ed.marks.visual = LastVisual {
        start: Some(ed.visual.start),
        end: Some(ed.cursor),
        kind: ed.visual.kind,
        want: ed.want,
    };
}

/// `gv`: the last selection again; within one the two change places.
pub(crate) fn reselect(ed: &mut Editor) {
    let last = ed.marks.visual.clone();
    let (Some(start), Some(end)) = (last.start, last.end) else {
        ed.beep();
        return;
    };
    if start.row > ed.lines.last() {
        ed.beep();
        return;
    }
    if ed.visual.active {
        remember(ed);
    }
    ed.visual.kind = last.kind;
    ed.want = last.want;
    ed.visual.active = true;
    ed.cursor = start;
    ed.check_cursor();
    ed.visual.start = ed.cursor;
    ed.cursor = end;
    ed.check_cursor();
}

/// `o`, and `O` for the other corner of a block.
pub(crate) fn swap_ends(ed: &mut Editor, corners: bool) {
    if !corners || ed.visual.kind != VisualKind::Block {
        std::mem::swap(&mut ed.cursor, &mut ed.visual.start);
        ed.want_stale = true;
        return;
    }
    let old = ed.cursor;
    let (left, right) = block_columns(ed, old, ed.visual.start);
    ed.cursor.row = ed.visual.start.row;
    ed.advance_to_column(left);
    ed.visual.start = ed.cursor;
    ed.cursor.row = old.row;
    ed.want = right;
    ed.want_stale = false;
    ed.advance_to_column(right);
    if ed.cursor.col == old.col {
        ed.cursor.row = ed.visual.start.row;
        ed.advance_to_column(right);
        ed.visual.start = ed.cursor;
        ed.cursor.row = old.row;
        ed.advance_to_column(left);
        ed.want = left;
    }
}

/// The screen columns between two corners, both included.
pub(crate) fn block_columns(ed: &Editor, one: Pos, other: Pos) -> (usize, usize) {
    let a = columns(ed.lines.get(one.row), one.col);
    let b = columns(ed.lines.get(other.row), other.col);
    (a.0.min(b.0), a.1.max(b.1))
}
