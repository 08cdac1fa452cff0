//! `r`: one character in place of others.

use crate::block::part;
use crate::chars::width;
use crate::delete::delete_chars;
use crate::editor::Editor;
use crate::insert::{self, Begin};
use crate::insert_keys::push_replaced;
use crate::key::{Key, char_of_key};
use crate::operate::Area;
use crate::redo::{self, Stroke};
use crate::text::{Pos, Step, cell_len, head, tail};
use crate::undo;

/// `r` in normal mode.
pub(crate) fn chars(ed: &mut Editor, count: usize, key: Key) {
    let times = count.max(1);
    let there = ed.row()[head(ed.row(), ed.cursor.col)..].chars();
    let cells = there.filter(|&c| !crate::chars::is_composing(c)).take(times).count();
    if cells < times {
        ed.beep();
        return;
    }
    undo::save_cursor_row(ed);
    if key == Key::Enter || key == Key::Ctrl('j') {
        delete_chars(ed, times, false);
        redo::stuff(ed, [Stroke::Key(Key::Enter), Stroke::Key(Key::Esc)]);
        insert::begin_command(ed, Begin { count: times, ..Begin::command('r') });
        return;
    }
    redo::prepare(ed, None, count, &[Key::Char('r'), key]);
    ed.marks.op_start = Some(ed.cursor);
    let c = char_of_key(key);
    for _ in 0..times {
        if !ed.has_room(c.len_utf8()) {
            return;
        }
        // As in Vim: a Backspace at the start of a following "R" puts this back.
        push_replaced(ed);
        put_over(ed, c);
        ed.cursor.col += c.len_utf8();
    }
    ed.cursor.col = head(ed.row(), ed.cursor.col - 1);
    ed.marks.op_end = Some(ed.cursor);
    ed.want_stale = true;
    ed.insert.last_insert = vec![Stroke::Literal(c)];
}

/// One character in place of the one under the cursor.
fn put_over(ed: &mut Editor, c: char) {
    let Pos { row, col } = ed.cursor;
    let end = col + cell_len(ed.row(), col);
    ed.splice(row, col, end, c.encode_utf8(&mut [0; 4]));
}

/// `r` on a selection.
pub(crate) fn run(ed: &mut Editor, area: Area, key: Key) {
    if ed.lines.none || area.empty {
        return;
    }
    let c = char_of_key(key);
    let mut area = area;
    if area.inclusive {
        area.end.col = tail(ed.lines.get(area.end.row), area.end.col);
    }
    undo::save(ed, area.start.row, area.end.row + 1);
    if area.block {
        over_block(ed, &mut area, c);
    } else {
        over_chars(ed, &mut area, c);
    }
    ed.cursor = area.start;
    ed.check_cursor();
    ed.marks.op_start = Some(area.start);
    ed.marks.op_end = Some(area.end);
}

fn over_chars(ed: &mut Editor, area: &mut Area, c: char) {
    if area.lines {
        area.start.col = 0;
        ed.cursor.col = 0;
        area.end.col = ed.lines.get(area.end.row).len().max(1) - 1;
    } else if !area.inclusive {
        ed.lines.dec(&mut area.end);
    }
    while ed.cursor <= area.end {
        let old = cell_len(ed.row(), ed.cursor.col);
        if old > 0 {
            if !ed.has_room(c.len_utf8()) {
                return;
            }
            if ed.cursor.row == area.end.row {
                area.end.col = (area.end.col + c.len_utf8()).saturating_sub(old);
            }
            if old > 1 || c.len_utf8() > 1 {
                push_replaced(ed);
            }
            put_over(ed, c);
        }
        if ed.inc_cursor() == Step::Stuck {
            break;
        }
    }
}

fn over_block(ed: &mut Editor, area: &mut Area, c: char) {
    let splits = c == '\r' || c == '\n';
    let mut row = area.start.row;
    while row <= area.end.row {
        let mut part = part(ed, area, row, true);
        if part.len == 0 {
            row += 1;
            continue;
        }
        let mut cells = area.last_column + 1 - area.first_column.min(area.last_column);
        if part.short {
            cells = cells.saturating_sub((area.last_column + 1).saturating_sub(part.end_column));
        }
        // A wide character fits only half as often.
        if width(c) > 1 {
            if cells % 2 == 1 && !part.short {
                part.end_spaces += 1;
            }
            cells /= 2;
        }
        let before = " ".repeat(part.start_spaces);
        if splits {
            let rest = ed.lines.get(row)[part.col + part.len..].to_owned();
            ed.splice(row, part.col, usize::MAX, &before);
            ed.lines.insert(row + 1, rest);
            ed.marks.shift_rows(row + 1, 0, 1);
            area.end.row += 1;
            row += 2;
            continue;
        }
        let after = if part.short { 0 } else { part.end_spaces };
        let text = [before, c.to_string().repeat(cells), " ".repeat(after)].concat();
        if !ed.has_room(text.len()) {
            return;
        }
        ed.splice(row, part.col, part.col + part.len, &text);
        row += 1;
    }
}
