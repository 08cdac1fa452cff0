//! Sentences: `(`, `)`, `is`, `as`. They end at `.`, `!` or `?` before a blank or the line's end,
//! with closing brackets and quotes between.

use crate::chars::is_white;
use crate::editor::Editor;
use crate::motion::{Moving, step_off_line_end};
use crate::paragraph::is_boundary;
use crate::text::{Lines, Pos, Step};
use crate::visual::VisualKind;

const ENDS: &str = ".!?";
const CLOSERS: &str = ")]\"'";

pub(crate) fn motion(ed: &mut Editor, forward: bool, moving: &mut Moving) -> bool {
    moving.inclusive = false;
    moving.long_jump = true;
    ed.want_stale = true;
    let Some(pos) = find(&ed.lines, ed.cursor, forward, moving.times()) else {
        return false;
    };
    ed.set_jump_mark();
    ed.cursor = pos;
    step_off_line_end(ed, moving);
    true
}

/// The place of the marks `'(` and `')`.
pub(crate) fn mark(ed: &Editor, forward: bool) -> Option<Pos> {
    find(&ed.lines, ed.cursor, forward, 1)
}

fn step(lines: &Lines, pos: &mut Pos, forward: bool) -> Step {
    if forward { lines.inc_skip(pos) } else { lines.dec_skip(pos) }
}

/// The start of the `count`th sentence in a direction.
fn find(lines: &Lines, from: Pos, forward: bool, count: usize) -> Option<Pos> {
    let mut pos = from;
    let mut left = count;
    while left > 0 {
        left -= 1;
        let before = pos;
        let met_end = match find_one(lines, &mut pos, forward)? {
            Found::Start => false,
            Found::TextEnd if left > 0 => return None,
            Found::TextEnd => true,
        };
        while !met_end && is_white(lines.char_at(pos)) {
            if lines.inc_skip(&mut pos) == Step::Stuck {
                break;
            }
        }
        if before == pos {
            if step(lines, &mut pos, forward) == Step::Stuck {
                if left > 0 {
                    return None;
                }
                break;
            }
            left += 1;
        }
    }
    Some(pos)
}

enum Found {
    Start,
    TextEnd,
}

fn find_one(lines: &Lines, pos: &mut Pos, forward: bool) -> Option<Found> {
    if lines.char_at(*pos) == '\0' {
        while step(lines, pos, forward) != Step::Stuck && lines.char_at(*pos) == '\0' {}
        if forward {
            return Some(Found::Start);
        }
    } else if forward && pos.col == 0 && is_boundary(lines, pos.row) {
        if pos.row == lines.last() {
            return None;
        }
        pos.row += 1;
        return Some(Found::Start);
    } else if !forward {
        lines.dec_skip(pos);
    }
    back_over_end(lines, pos, forward);
    let start_row = pos.row;
    loop {
        let c = lines.char_at(*pos);
        if c == '\0' || (pos.col == 0 && is_boundary(lines, pos.row)) {
            if !forward && pos.row != start_row {
                pos.row += 1;
                pos.col = pos.col.min(lines.get(pos.row).len());
            }
            return Some(Found::Start);
        }
        if ENDS.contains(c)
            && let Some(behind) = behind_end(lines, *pos)
        {
            *pos = behind;
            if lines.char_at(*pos) == '\0' {
                lines.inc(pos);
            }
            return Some(Found::Start);
        }
        if step(lines, pos, forward) == Step::Stuck {
            return Some(Found::TextEnd);
        }
    }
}

/// Back over blanks and the signs that end a sentence, to its last word.
fn back_over_end(lines: &Lines, pos: &mut Pos, forward: bool) {
    let mut found_dot = false;
    loop {
        let c = lines.char_at(*pos);
        if !is_white(c) && !is_sign(c) {
            return;
        }
        let mut before = *pos;
        if lines.dec_skip(&mut before) == Step::Stuck
            || (lines.is_empty_row(before.row) && forward)
            || found_dot
        {
            return;
        }
        found_dot |= ENDS.contains(c);
        if CLOSERS.contains(c) && !is_sign(lines.char_at(before)) {
            return;
        }
        lines.dec_skip(pos);
    }
}

/// `.`, `!`, `?` or a closing sign.
fn is_sign(c: char) -> bool {
    c != '\0' && (ENDS.contains(c) || CLOSERS.contains(c))
}

/// If the sign at `pos` ends a sentence: the place behind it and its closers.
fn behind_end(lines: &Lines, pos: Pos) -> Option<Pos> {
    let mut pos = pos;
    loop {
        let step = lines.inc(&mut pos);
        if step == Step::Stuck {
            return Some(pos);
        }
        let c = lines.char_at(pos);
        if c == '\0' || !CLOSERS.contains(c) {
            return (c == '\0' || is_white(c)).then_some(pos);
        }
    }
}

fn go(ed: &mut Editor, forward: bool) {
    if let Some(pos) = find(&ed.lines, ed.cursor, forward, 1) {
        ed.set_jump_mark();
        ed.cursor = pos;
    }
}

fn back_to_first_blank(lines: &Lines, pos: &mut Pos) {
    while lines.dec_skip(pos) != Step::Stuck {
        if !is_white(lines.char_at(*pos)) {
            lines.inc_skip(pos);
            break;
        }
    }
}

/// Over `count` halves of sentence and blanks.
fn forward_halves(ed: &mut Editor, count: usize, at_start: bool) {
    let mut at_start = at_start;
    let mut left = count;
    let mut two_ago = [None; 2];
    while left > 0 {
        left -= 1;
        go(ed, true);
        let mut pos = ed.cursor;
        if at_start {
            back_to_first_blank(&ed.lines, &mut pos);
        }
        if left == 0 || at_start {
            ed.lines.dec_skip(&mut pos);
        }
        ed.cursor = pos;
        at_start = !at_start;
        // At the end of the text the rounds repeat themselves: a huge count need not be walked.
        let parity = usize::from(at_start);
        if two_ago[parity] == Some(ed.cursor) {
            left = left.min(1 + (left + 1) % 2);
        }
        two_ago[parity] = Some(ed.cursor);
    }
}

/// `is` and `as`.
pub(crate) fn select(ed: &mut Editor, around: bool, moving: &mut Moving) -> bool {
    let mut start = ed.cursor;
    let mut pos = start;
    let count = moving.times();
    go(ed, true);
    if ed.visual.active && start != ed.visual.start {
        return extend(ed, start, around, count);
    }
    while is_white(ed.lines.char_at(pos)) && ed.lines.inc_skip(&mut pos) != Step::Stuck {}
    let start_blank = pos == ed.cursor;
    if start_blank {
        back_to_first_blank(&ed.lines, &mut start);
    } else {
        go(ed, false);
        start = ed.cursor;
    }
    let halves = if around { count * 2 } else { count - usize::from(start_blank) };
    if halves > 0 {
        forward_halves(ed, halves, true);
    } else {
        step_back(ed);
    }
    if around {
        if start_blank {
            let mut pos = ed.cursor;
            back_to_first_blank(&ed.lines, &mut pos);
            ed.cursor = pos;
            if is_white(ed.char()) {
                step_back(ed);
            }
        } else if !is_white(ed.char()) {
            back_to_first_blank(&ed.lines, &mut start);
        }
    }
    if ed.visual.active {
        // On a single blank before a sentence this would select nothing new.
        if start == ed.cursor {
            return extend(ed, start, around, count);
        }
        ed.visual.start = start;
        ed.visual.kind = VisualKind::Char;
    } else {
        let mut pos = ed.cursor;
        moving.inclusive = ed.lines.inc_skip(&mut pos) == Step::Stuck;
        ed.cursor = pos;
        moving.start = start;
    }
    true
}

fn step_back(ed: &mut Editor) {
    let mut pos = ed.cursor;
    ed.lines.dec_skip(&mut pos);
    ed.cursor = pos;
}

/// Grow a selection by sentences, at the end the cursor is on.
fn extend(ed: &mut Editor, start: Pos, around: bool, count: usize) -> bool {
    let halves = if around { count * 2 } else { count };
    let mut pos = start;
    let mut at_start = true;
    if start < ed.visual.start {
        ed.lines.dec_skip(&mut pos);
        while pos < ed.cursor {
            if !is_white(ed.lines.char_at(pos)) {
                at_start = false;
                break;
            }
            if ed.lines.inc_skip(&mut pos) == Step::Stuck {
                break;
            }
        }
        if !at_start {
            go(ed, false);
            if ed.cursor == start {
                at_start = true;
            } else {
                go(ed, true);
            }
        }
        for _ in 0..halves.min(ed.lines.bytes + 2) {
            if at_start {
                let mut pos = ed.cursor;
                back_to_first_blank(&ed.lines, &mut pos);
                ed.cursor = pos;
            }
            if !at_start || (!around && !is_white(ed.char())) {
                go(ed, false);
            }
            at_start = !at_start;
        }
        return true;
    }
    ed.lines.inc_skip(&mut pos);
    if pos != ed.cursor {
        at_start = false;
        while pos < ed.cursor {
            if !is_white(ed.lines.char_at(pos)) {
                at_start = true;
                break;
            }
            if ed.lines.inc_skip(&mut pos) == Step::Stuck {
                break;
            }
        }
        if at_start {
            go(ed, false);
        } else {
            ed.cursor = start;
        }
    }
    forward_halves(ed, halves, at_start);
    true
}
