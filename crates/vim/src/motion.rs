//! Motions: where the cursor goes, and what an operator makes of the way there.

use crate::chars::is_white;
use crate::command::{Motion, Op};
use crate::editor::Editor;
use crate::text::{COL_MAX, Pos, byte_at, cell_len, head};
use crate::{find, object, paragraph, sentence, word};

/// A motion under way, and how an operator shall take it.
#[derive(Debug, Clone)]
pub(crate) struct Moving {
    pub(crate) op: Option<Op>,
    /// 0: none was typed.
    pub(crate) count: usize,
    /// Where the operated text begins; text objects move it.
    pub(crate) start: Pos,
    pub(crate) lines: bool,
    /// The character the motion ends on belongs to it.
    pub(crate) inclusive: bool,
    /// A jump far away: deleted text goes to register 1 even if it is short.
    pub(crate) long_jump: bool,
    /// An end in column 0 is meant as it is.
    pub(crate) exact_end: bool,
}

impl Moving {
    pub(crate) fn new(op: Option<Op>, count: usize, start: Pos) -> Moving {
        Moving {
            op,
            count,
            start,
            lines: false,
            inclusive: false,
            long_jump: false,
            exact_end: false,
        }
    }

    pub(crate) fn times(&self) -> usize {
        self.count.max(1)
    }
}

/// Where a line's first column is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Column,
    /// The first character that is not blank, or behind the blanks.
    BehindBlanks,
    /// The first that is not blank, or the last blank.
    NonBlank,
}

/// Make a motion; `false`: it failed, and so does an operator that waits for it.
pub(crate) fn run(ed: &mut Editor, motion: Motion, moving: &mut Moving) -> bool {
    match motion {
        Motion::Left { wrap } => left(ed, wrap, moving),
        Motion::Right { wrap } => right(ed, wrap, moving),
        Motion::Up { first } => vertical(ed, moving, first, up),
        Motion::Down { first } => vertical(ed, moving, first, down),
        Motion::LineStart => start_of(ed, Start::Column),
        Motion::FirstNonBlank => start_of(ed, Start::NonBlank),
        Motion::LineEnd | Motion::End => line_end(ed, moving),
        Motion::LastNonBlank => last_non_blank(ed, moving),
        Motion::Column => column(ed, moving.count),
        Motion::Home => {
            ed.insert.at_eol = false;
            column(ed, 1)
        }
        Motion::CurrentLines => current_lines(ed, moving),
        Motion::WordNext { big } => word_next(ed, big, moving),
        Motion::WordEnd { big } => word_end(ed, big, moving, false),
        Motion::WordBack { big } => {
            on_pos(ed, |ed, pos| word::back(&ed.lines, pos, moving.times(), big, false))
        }
        Motion::WordEndBack { big } => {
            moving.inclusive = true;
            on_pos(ed, |ed, pos| word::end_back(&ed.lines, pos, moving.times(), big, false))
        }
        Motion::Find { target, forward, until } => find::first(ed, target, forward, until, moving),
        Motion::FindAgain { reverse } => find::again(ed, reverse, moving),
        Motion::Line { last } => line(ed, last, moving),
        Motion::Sentence { forward } => sentence::motion(ed, forward, moving),
        Motion::Paragraph { forward } => paragraph::motion(ed, forward, moving),
        Motion::Match => find::matching(ed, moving),
        Motion::Mark { name, lines, jump } => to_mark(ed, name, lines, jump, moving),
        Motion::Object { around, object } => object::select(ed, object, around, moving),
    }
}

fn on_pos(ed: &mut Editor, step: impl Fn(&Editor, &mut Pos) -> bool) -> bool {
    let mut pos = ed.cursor;
    let found = step(ed, &mut pos);
    ed.cursor = pos;
    ed.want_stale = true;
    found
}

fn left(ed: &mut Editor, wrap: bool, moving: &mut Moving) -> bool {
    for n in 0..moving.times() {
        if one_left(ed) {
            continue;
        }
        if !wrap || ed.cursor.row == 0 {
            if moving.op.is_none() && n == 0 {
                ed.beep();
            }
            break;
        }
        ed.cursor.row -= 1;
        ed.advance_to_column(COL_MAX);
        ed.want_stale = true;
        if matches!(moving.op, Some(Op::Delete | Op::Change)) && !ed.row().is_empty() {
            ed.cursor.col = ed.row().len();
            moving.exact_end = true;
        }
    }
    true
}

pub(crate) fn one_left(ed: &mut Editor) -> bool {
    if ed.cursor.col == 0 {
        return false;
    }
    ed.cursor.col = head(ed.row(), ed.cursor.col - 1);
    ed.want_stale = true;
    true
}

fn right(ed: &mut Editor, wrap: bool, moving: &mut Moving) -> bool {
    let behind = ed.visual.active;
    for n in 0..moving.times() {
        let len = cell_len(ed.row(), ed.cursor.col);
        let last = len == 0 || (!behind && ed.cursor.col + len >= ed.row().len());
        if !last {
            ed.cursor.col += len;
            ed.want_stale = true;
            continue;
        }
        if wrap && ed.cursor.row < ed.lines.last() {
            if moving.op.is_some() && !moving.inclusive && !ed.row().is_empty() {
                moving.inclusive = true;
            } else {
                ed.cursor = Pos { row: ed.cursor.row + 1, col: 0 };
                ed.want_stale = true;
                moving.inclusive = false;
            }
            continue;
        }
        if moving.op.is_none() {
            if n == 0 {
                ed.beep();
            }
        } else if !ed.row().is_empty() {
            moving.inclusive = true;
        }
        break;
    }
    true
}

fn vertical(
    ed: &mut Editor,
    moving: &mut Moving,
    first: bool,
    go: fn(&mut Editor, usize) -> bool,
) -> bool {
    moving.lines = true;
    if !go(ed, moving.times()) {
        return false;
    }
    if first {
        line_start(ed, Start::NonBlank);
    }
    true
}

/// Down as far as there are lines; fails only on the last one.
pub(crate) fn down(ed: &mut Editor, count: usize) -> bool {
    if count > 0 {
        if ed.cursor.row >= ed.lines.last() {
            return false;
        }
        ed.cursor.row = (ed.cursor.row + count).min(ed.lines.last());
    }
    ed.advance_to_column(ed.want);
    true
}

/// Up as far as there are lines; fails only on the first one.
pub(crate) fn up(ed: &mut Editor, count: usize) -> bool {
    if count > 0 {
        if ed.cursor.row == 0 {
            return false;
        }
        ed.cursor.row = ed.cursor.row.saturating_sub(count);
    }
    ed.advance_to_column(ed.want);
    true
}

fn start_of(ed: &mut Editor, start: Start) -> bool {
    // After CTRL-O the insert goes on here, even if this is also the line's last character.
    ed.insert.at_eol = false;
    line_start(ed, start);
    true
}

pub(crate) fn line_start(ed: &mut Editor, start: Start) {
    let line = ed.row();
    let blanks = crate::text::indent_len(line);
    ed.cursor.col = match start {
        Start::Column => 0,
        Start::BehindBlanks => blanks,
        Start::NonBlank if blanks == line.len() => blanks.saturating_sub(1),
        Start::NonBlank => blanks,
    };
    ed.want_stale = true;
}

fn line_end(ed: &mut Editor, moving: &mut Moving) -> bool {
    moving.inclusive = true;
    ed.want = COL_MAX;
    ed.want_stale = false;
    down(ed, moving.times() - 1)
}

fn last_non_blank(ed: &mut Editor, moving: &mut Moving) -> bool {
    if !line_end(ed, moving) {
        return false;
    }
    let line = ed.row();
    let mut col = ed.cursor.col;
    if col > 0 && col >= line.len() {
        col -= 1;
    }
    while col > 0 && is_white(char::from(byte_at(line, col))) {
        col -= 1;
    }
    ed.cursor.col = col;
    ed.want_stale = true;
    true
}

fn column(ed: &mut Editor, count: usize) -> bool {
    line_start(ed, Start::Column);
    let column = count.saturating_sub(1);
    if count > 0 {
        ed.advance_to_column(column);
    }
    ed.want = column;
    ed.want_stale = false;
    true
}

fn current_lines(ed: &mut Editor, moving: &mut Moving) -> bool {
    moving.lines = true;
    if !down(ed, moving.times() - 1) {
        return false;
    }
    if moving.op != Some(Op::Yank) {
        line_start(ed, Start::NonBlank);
    }
    true
}

fn word_next(ed: &mut Editor, big: bool, moving: &mut Moving) -> bool {
    moving.inclusive = false;
    // "cw" on a word works like "ce", but changes a word of one character alone.
    if moving.op == Some(Op::Change) && ed.char() != '\0' && !is_white(ed.char()) {
        return word_end(ed, big, moving, true);
    }
    let from = ed.cursor;
    let operated = moving.op.is_some();
    let found = on_pos(ed, |ed, pos| word::next(&ed.lines, pos, moving.times(), big, operated));
    leave_line_end(ed, from, moving);
    found || operated
}

fn word_end(ed: &mut Editor, big: bool, moving: &mut Moving, stop: bool) -> bool {
    moving.inclusive = true;
    let from = ed.cursor;
    let found = on_pos(ed, |ed, pos| word::end(&ed.lines, pos, moving.times(), big, stop, false));
    leave_line_end(ed, from, moving);
    found || moving.op.is_some()
}

fn leave_line_end(ed: &mut Editor, from: Pos, moving: &mut Moving) {
    if from < ed.cursor {
        step_off_line_end(ed, moving);
    }
}

/// Outside visual mode a motion ends on a character: the last one, which then belongs to it.
pub(crate) fn step_off_line_end(ed: &mut Editor, moving: &mut Moving) {
    if ed.cursor.col > 0 && ed.char() == '\0' && !ed.visual.active {
        one_left(ed);
        moving.inclusive = true;
    }
}

fn line(ed: &mut Editor, last: bool, moving: &mut Moving) -> bool {
    moving.lines = true;
    ed.set_jump_mark();
    let row = if last { ed.lines.last() } else { 0 };
    ed.cursor.row = if moving.count == 0 { row } else { moving.count - 1 }.min(ed.lines.last());
    line_start(ed, Start::NonBlank);
    true
}

fn to_mark(ed: &mut Editor, name: char, lines: bool, jump: bool, moving: &mut Moving) -> bool {
    let found = crate::mark_names::position(ed, name).filter(|pos| pos.row <= ed.lines.last());
    let Some(pos) = found else { return false };
    if jump {
        ed.set_jump_mark();
    }
    ed.cursor = pos;
    if lines {
        line_start(ed, Start::NonBlank);
    } else {
        ed.check_cursor();
    }
    moving.lines = lines;
    moving.long_jump |= !lines && jump;
    moving.inclusive = false;
    ed.want_stale = true;
    ed.check_cursor_col();
    true
}

/// CTRL-D and CTRL-U; a count is kept as the new number of lines.
pub(crate) fn half_page(ed: &mut Editor, down: bool, count: usize) -> bool {
    if ed.cursor.row == (if down { ed.lines.last() } else { 0 }) {
        return false;
    }
    if count > 0 {
        ed.half_page = count;
    }
    let row = if down {
        ed.cursor.row + ed.half_page
    } else {
        ed.cursor.row.saturating_sub(ed.half_page)
    };
    ed.cursor.row = row.min(ed.lines.last());
    line_start(ed, Start::NonBlank);
    true
}

/// CTRL-O and Tab.
pub(crate) fn along_jumps(ed: &mut Editor, back: bool, count: usize) -> bool {
    let Some(pos) = ed.marks.jumps.go(ed.cursor, back, count) else {
        return false;
    };
    if pos.row > ed.lines.last() {
        return false;
    }
    ed.cursor = pos;
    ed.check_cursor();
    ed.want_stale = true;
    true
}
