//! Word motions. Each moves a position and says whether it got there; on failure the position is
//! where the text ended.

use crate::chars::{BLANK, class};
use crate::text::{Lines, Pos, Step};

/// The class of the character at a position; as WORDs, everything but blanks is alike.
pub(crate) fn class_at(lines: &Lines, pos: Pos, big: bool) -> u32 {
    match class(lines.char_at(pos)) {
        BLANK => BLANK,
        _ if big => 1,
        class => class,
    }
}

fn on_empty_row(lines: &Lines, pos: Pos) -> bool {
    pos.col == 0 && lines.is_empty_row(pos.row)
}

fn skip_forward(lines: &Lines, pos: &mut Pos, class: u32, big: bool) -> bool {
    while class_at(lines, *pos, big) == class {
        if lines.inc(pos) == Step::Stuck {
            return false;
        }
    }
    true
}

fn skip_back(lines: &Lines, pos: &mut Pos, class: u32, big: bool) -> bool {
    while class_at(lines, *pos, big) == class {
        if lines.dec(pos) == Step::Stuck {
            return false;
        }
    }
    true
}

/// `w`, `W`. With `stop_at_eol` (for operators) the last word ends with its line.
pub(crate) fn next(
    lines: &Lines,
    pos: &mut Pos,
    count: usize,
    big: bool,
    stop_at_eol: bool,
) -> bool {
    for left in (0..count).rev() {
        let stop = stop_at_eol && left == 0;
        let start_class = class_at(lines, *pos, big);
        let on_last_row = pos.row == lines.last();
        let line_over = |step: Step| matches!(step, Step::OtherLine | Step::LineEnd);
        let step = lines.inc(pos);
        if step == Step::Stuck || (line_over(step) && on_last_row) {
            return false;
        }
        if line_over(step) && stop {
            return true;
        }
        if start_class != BLANK {
            while class_at(lines, *pos, big) == start_class {
                let step = lines.inc(pos);
                if step == Step::Stuck || (line_over(step) && stop) {
                    return true;
                }
            }
        }
        while class_at(lines, *pos, big) == BLANK && !on_empty_row(lines, *pos) {
            let step = lines.inc(pos);
            if step == Step::Stuck || (line_over(step) && stop) {
                return true;
            }
        }
    }
    true
}

/// `b`, `B`. With `stop` a position on the first character of a word stays in that word.
pub(crate) fn back(lines: &Lines, pos: &mut Pos, count: usize, big: bool, stop: bool) -> bool {
    let mut stop = stop;
    for _ in 0..count {
        let start_class = class_at(lines, *pos, big);
        if lines.dec(pos) == Step::Stuck {
            return false;
        }
        let mut on_empty = false;
        if !stop || start_class == class_at(lines, *pos, big) || start_class == BLANK {
            while class_at(lines, *pos, big) == BLANK {
                if on_empty_row(lines, *pos) {
                    on_empty = true;
                    break;
                }
                if lines.dec(pos) == Step::Stuck {
                    return true;
                }
            }
            let class = class_at(lines, *pos, big);
            if !on_empty && !skip_back(lines, pos, class, big) {
                return true;
            }
        }
        if !on_empty {
            lines.inc(pos);
        }
        stop = false;
    }
    true
}

/// `e`, `E`. With `stop` a position on the last character of a word is good already; with
/// `stop_on_empty` an empty line is, too.
pub(crate) fn end(
    lines: &Lines,
    pos: &mut Pos,
    count: usize,
    big: bool,
    stop: bool,
    stop_on_empty: bool,
) -> bool {
    let mut stop = stop;
    for _ in 0..count {
        let start_class = class_at(lines, *pos, big);
        if lines.inc(pos) == Step::Stuck {
            return false;
        }
        let mut on_empty = false;
        if class_at(lines, *pos, big) == start_class && start_class != BLANK {
            if !skip_forward(lines, pos, start_class, big) {
                return false;
            }
        } else if !stop || start_class == BLANK {
            while class_at(lines, *pos, big) == BLANK {
                if stop_on_empty && on_empty_row(lines, *pos) {
                    on_empty = true;
                    break;
                }
                if lines.inc(pos) == Step::Stuck {
                    return false;
                }
            }
            let class = class_at(lines, *pos, big);
            if !on_empty && !skip_forward(lines, pos, class, big) {
                return false;
            }
        }
        if !on_empty {
            lines.dec(pos);
        }
        stop = false;
    }
    true
}

/// `ge`, `gE`. With `stop_at_eol` the search ends at the start of the line.
pub(crate) fn end_back(
    lines: &Lines,
    pos: &mut Pos,
    count: usize,
    big: bool,
    stop_at_eol: bool,
) -> bool {
    for _ in 0..count {
        let start_class = class_at(lines, *pos, big);
        let over = |step: Step| step == Step::Stuck || (stop_at_eol && step == Step::OtherLine);
        match lines.dec(pos) {
            Step::Stuck => return false,
            Step::OtherLine if stop_at_eol => return true,
            _ => {}
        }
        if start_class != BLANK {
            while class_at(lines, *pos, big) == start_class {
                if over(lines.dec(pos)) {
                    return true;
                }
            }
        }
        while class_at(lines, *pos, big) == BLANK && !on_empty_row(lines, *pos) {
            if over(lines.dec(pos)) {
                return true;
            }
        }
    }
    true
}
