//! Text objects: `iw`, `a"`, `it` and so on. They set where the operated text starts, or widen the
//! selection, and leave the cursor on its end.

use crate::chars::BLANK;
use crate::command::Object;
use crate::editor::Editor;
use crate::motion::{Moving, one_left};
use crate::text::{Lines, Pos, Step};
use crate::visual::VisualKind;
use crate::word::{self, class_at};
use crate::{block_object, paragraph, quote, sentence, tag};

pub(crate) fn select(ed: &mut Editor, object: Object, around: bool, moving: &mut Moving) -> bool {
    let found = match object {
        Object::Word { big } => select_word(ed, around, big, moving),
        Object::Sentence => sentence::select(ed, around, moving),
        Object::Paragraph => paragraph::select(ed, around, moving),
        Object::Quote(quote) => quote::select(ed, around, quote, moving),
        Object::Block { open, close } => block_object::select(ed, around, open, close, moving),
        Object::Tag => tag::select(ed, around, moving),
    };
    if ed.cursor.col > 0 && !ed.visual.active && ed.char() == '\0' {
        ed.cursor.col = ed.cursor.col.min(ed.row().len()) - 1;
    }
    ed.want_stale = true;
    found
}

/// The start of the word or the blanks at a position, within its line.
fn back_in_line(lines: &Lines, pos: &mut Pos, big: bool) {
    let class = class_at(lines, *pos, big);
    while pos.col > 0 {
        let here = *pos;
        lines.dec(pos);
        if class_at(lines, *pos, big) != class {
            *pos = here;
            break;
        }
    }
}

fn select_word(ed: &mut Editor, around: bool, big: bool, moving: &mut Moving) -> bool {
    let mut count = moving.times();
    let mut include_white = false;
    let mut start = ed.cursor;
    let mut inclusive = true;
    if !ed.visual.active || ed.cursor == ed.visual.start {
        back_in_line(&ed.lines, &mut start, big);
        let mut pos = start;
        if (class_at(&ed.lines, pos, big) == BLANK) == around {
            let found = word::end(&ed.lines, &mut pos, 1, big, true, true);
            ed.cursor = pos;
            if !found {
                return false;
            }
        } else {
            word::next(&ed.lines, &mut pos, 1, big, true);
            if pos.col == 0 {
                ed.lines.dec_skip(&mut pos);
                ed.cursor = pos;
            } else {
                ed.cursor = pos;
                one_left(ed);
            }
            include_white = around;
        }
        if ed.visual.active {
            ed.visual.start = start;
        } else {
            moving.start = start;
        }
        count -= 1;
    }
    for left in (0..count).rev() {
        inclusive = true;
        let backward = ed.visual.active && ed.cursor < ed.visual.start;
        let grown = if backward {
            word_before(ed, around, big)
        } else {
            word_behind(ed, around, big, left, &mut inclusive)
        };
        if !grown {
            return false;
        }
    }
    let class = class_at(&ed.lines, ed.cursor, big);
    if include_white && (class != BLANK || (ed.cursor.col == 0 && !inclusive)) {
        include_white_before(ed, start, big, moving);
    }
    if ed.visual.active {
        if ed.visual.kind == VisualKind::Line {
            ed.visual.kind = VisualKind::Char;
        }
    } else {
        moving.inclusive = inclusive;
    }
    true
}

/// The cursor is at the start of the selection: one object further back.
fn word_before(ed: &mut Editor, around: bool, big: bool) -> bool {
    let mut pos = ed.cursor;
    let stuck = ed.lines.dec_skip(&mut pos) == Step::Stuck;
    ed.cursor = pos;
    if stuck {
        return false;
    }
    let found = if around == (class_at(&ed.lines, pos, big) != BLANK) {
        let found = word::end_back(&ed.lines, &mut pos, 1, big, true);
        if found {
            ed.lines.inc_skip(&mut pos);
        }
        found
    } else {
        word::back(&ed.lines, &mut pos, 1, big, true)
    };
    ed.cursor = pos;
    found
}

/// One object further on.
fn word_behind(
    ed: &mut Editor,
    around: bool,
    big: bool,
    left: usize,
    inclusive: &mut bool,
) -> bool {
    let mut pos = ed.cursor;
    let stuck = ed.lines.inc_skip(&mut pos) == Step::Stuck;
    ed.cursor = pos;
    if stuck {
        return false;
    }
    if around == (class_at(&ed.lines, pos, big) == BLANK) {
        let found = word::end(&ed.lines, &mut pos, 1, big, true, true);
        ed.cursor = pos;
        return found;
    }
    let found = word::next(&ed.lines, &mut pos, 1, big, true);
    ed.cursor = pos;
    if !found && left > 0 {
        return false;
    }
    // Just behind a line end: the first character of the next line is not meant.
    if !one_left(ed) {
        *inclusive = false;
    }
    true
}

/// No blanks behind the object: those before it, but not the indent.
fn include_white_before(ed: &mut Editor, start: Pos, big: bool, moving: &mut Moving) {
    if start.col == 0 {
        return;
    }
    let mut pos = start;
    ed.lines.dec(&mut pos);
    back_in_line(&ed.lines, &mut pos, big);
    if class_at(&ed.lines, pos, big) == BLANK && pos.col > 0 {
        if ed.visual.active {
            ed.visual.start = pos;
        } else {
            moving.start = pos;
        }
    }
}
