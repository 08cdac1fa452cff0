//! The keys of insert and replace mode that change text or move the cursor.

use crate::chars::{class, is_word};
use crate::delete::delete_chars;
use crate::editor::Editor;
use crate::insert::{begin_move, prepare_change};
use crate::join::{self, How};
use crate::key::{Key, char_of_key};
use crate::motion::{self, Start, line_start, one_left};
use crate::put;
use crate::redo::{self, Stroke};
use crate::register::{Shape, is_register};
use crate::shift::{set_indent, shift_line};
use crate::text::{COL_MAX, Pos, cell_len, char_at, columns, head, indent_width};
use crate::undo;

/// How much a key deletes before the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Span {
    Char,
    Word,
    Line,
}

/// A typed character.
pub(crate) fn insert_char(ed: &mut Editor, c: char, stroke: Stroke) {
    if !ed.has_room(c.len_utf8()) {
        return;
    }
    prepare_change(ed);
    put_char(ed, c);
    ed.redo.push_stroke(stroke);
}

/// A character into the text, in replace mode over the one that is there.
fn put_char(ed: &mut Editor, c: char) {
    let Pos { row, col } = ed.cursor;
    let mut end = col;
    if ed.replacing() {
        push_replaced(ed);
        end += cell_len(ed.row(), col);
    }
    ed.splice(row, col, end, c.encode_utf8(&mut [0; 4]));
    ed.cursor.col += c.len_utf8();
}

/// Keep the character under the cursor, that Backspace can put it back.
pub(crate) fn push_replaced(ed: &mut Editor) {
    let Pos { col, .. } = ed.cursor;
    let end = col + cell_len(ed.row(), col);
    let old: Vec<char> = ed.row()[col.min(end)..end].chars().rev().collect();
    ed.insert.replaced.push(None);
    ed.insert.replaced.extend(old.into_iter().map(Some));
}

/// Enter
pub(crate) fn line_break(ed: &mut Editor) {
    if !ed.has_room(1) {
        return;
    }
    prepare_change(ed);
    if ed.replacing() {
        ed.insert.replaced.extend([None, None]);
    }
    ed.redo.push(Key::Enter);
    let Pos { row, col } = ed.cursor;
    undo::forget_row(ed);
    let rest = ed.row()[col..].to_owned();
    ed.splice(row, col, usize::MAX, "");
    ed.lines.insert(row + 1, rest);
    ed.marks.shift_rows(row + 1, 0, 1);
    ed.cursor = Pos { row: row + 1, col: 0 };
}

/// Delete under the cursor.
pub(crate) fn delete(ed: &mut Editor) {
    prepare_change(ed);
    if ed.char() == '\0' {
        let col = ed.cursor.col;
        if join::run(ed, 2, How { spaces: false, save: true, marks: false }) {
            ed.cursor.col = col;
        }
    } else {
        delete_chars(ed, 1, false);
    }
    ed.redo.push(Key::Delete);
}

/// Backspace, CTRL-W, CTRL-U
pub(crate) fn backspace(ed: &mut Editor, key: Key, span: Span) {
    if ed.lines.is_blank() || ed.cursor == Pos::default() {
        return;
    }
    prepare_change(ed);
    if ed.cursor.col == 0 {
        over_line_break(ed);
    } else {
        within_line(ed, span);
    }
    ed.redo.push(key);
    let original = ed.insert.original_start;
    if ed.cursor.row == original.row && ed.cursor.col < original.col {
        ed.insert.original_start.col = ed.cursor.col;
    }
}

fn over_line_break(ed: &mut Editor) {
    let start_row = ed.insert.start.row;
    let row = ed.cursor.row;
    if row == start_row {
        undo::save(ed, row - 1, row + 1);
        let col = ed.lines.get(row - 1).len();
        ed.insert.start = Pos { row: row - 1, col };
    }
    let replacing = ed.replacing();
    let overwritten = if replacing { ed.insert.replaced.pop() } else { None };
    // In the row where replacing began the cursor only moves.
    if replacing && row <= start_row {
        ed.dec_cursor();
        return;
    }
    let at_eol = ed.char() == '\0';
    ed.cursor.row -= 1;
    join::run(ed, 2, How { spaces: false, save: false, marks: false });
    if at_eol && ed.char() != '\0' {
        ed.inc_cursor();
    }
    if !replacing {
        return;
    }
    let mut overwritten = overwritten;
    while let Some(Some(c)) = overwritten {
        let col = ed.cursor.col;
        put_back(ed, c);
        ed.cursor.col = col;
        overwritten = ed.insert.replaced.pop();
    }
    put_back_all(ed);
}

/// Put overwritten characters back at the cursor, until the next mark between them.
fn put_back_all(ed: &mut Editor) {
    while let Some(Some(c)) = ed.insert.replaced.pop() {
        put_back(ed, c);
        ed.dec_cursor();
    }
}

fn put_back(ed: &mut Editor, c: char) {
    let mut text = String::from(c);
    while let Some(Some(mark)) = ed.insert.replaced.last()
        && crate::chars::is_composing(*mark)
    {
        text.push(*mark);
        ed.insert.replaced.pop();
    }
    let Pos { row, col } = ed.cursor;
    ed.splice(row, col, col, &text);
    ed.cursor.col += text.len();
}

/// Delete back over one character, a word, or all that was inserted in the line.
fn within_line(ed: &mut Editor, span: Span) {
    let mut last_class = class(ed.char());
    let mut word = None;
    loop {
        ed.dec_cursor();
        let c = ed.char();
        let class_before = last_class;
        last_class = class(c);
        if span == Span::Word {
            match word {
                None if !is_space(c) => word = Some(is_word(c)),
                Some(kind) if is_space(c) || is_word(c) != kind || class_before != last_class => {
                    ed.inc_cursor();
                    break;
                }
                _ => {}
            }
        }
        if ed.replacing() {
            restore_one(ed);
        } else {
            delete_chars(ed, 1, false);
        }
        let at_start = ed.cursor == ed.insert.original_start;
        if span == Span::Char || ed.cursor.col == 0 || at_start {
            break;
        }
    }
}

fn is_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ')
}

/// Replace mode: what was overwritten under the cursor comes back.
fn restore_one(ed: &mut Editor) {
    match ed.insert.replaced.pop() {
        Some(Some(c)) => {
            delete_chars(ed, 1, false);
            ed.insert.replaced.push(Some(c));
            put_back_all(ed);
        }
        Some(None) => delete_chars(ed, 1, false),
        None => {}
    }
}

/// CTRL-T and CTRL-D; after `0` or `^` the latter removes the whole indent.
pub(crate) fn shift(ed: &mut Editor, left: bool, last_key: Option<Stroke>) {
    prepare_change(ed);
    ed.redo.push(Key::Ctrl(if left { 'd' } else { 't' }));
    let typed = matches!(last_key, Some(Stroke::Key(Key::Char('0' | '^'))));
    if left && typed && ed.cursor.col > 0 {
        ed.cursor.col -= 1;
        ed.adjust_cursor();
        delete_chars(ed, 1, false);
        if ed.replacing() {
            put_back_all(ed);
        }
        change_indent(ed, |ed| set_indent(ed, 0));
    } else {
        change_indent(ed, |ed| shift_line(ed, left, 1, true));
    }
}

/// Change the line's indent, and keep the cursor on its character.
fn change_indent(ed: &mut Editor, change: impl Fn(&mut Editor)) {
    let column = columns(ed.row(), ed.cursor.col).0;
    let col_before = ed.cursor.col;
    line_start(ed, Start::BehindBlanks);
    let indent_before = ed.cursor.col;
    let width_before = indent_width(ed.row());
    change(ed);
    let indent = ed.cursor.col;
    let mut start_less = Some(indent_before.cast_signed() - indent.cast_signed());
    if col_before >= indent_before {
        if col_before == indent_before {
            start_less = None;
        }
        ed.cursor.col = col_before - indent_before + indent;
    } else {
        // Within the indent: as far before its end as it was.
        let before_text = width_before - column.min(width_before);
        to_column(ed, indent_width(ed.row()).saturating_sub(before_text));
        start_less = None;
    }
    ed.want_stale = true;
    let start = &mut ed.insert.start;
    if start.row == ed.cursor.row && start.col != 0 {
        let moved = start_less.map_or(0, |less| start.col.cast_signed() - less);
        start.col = usize::try_from(moved).unwrap_or(0);
    }
    if ed.replacing() && col_before <= indent_before {
        fix_replaced(ed, col_before);
    }
}

/// The cursor to a screen column of the indent; a tab there gets spaces before it.
fn to_column(ed: &mut Editor, column: usize) {
    let line = ed.row();
    let (mut at, mut reached, mut last) = (0, 0, 0);
    while reached <= column {
        last = reached;
        if reached > 0 {
            at += cell_len(line, at);
        }
        if at >= line.len() {
            break;
        }
        reached += crate::chars::width_at(char_at(line, at), reached);
    }
    ed.cursor.col = at;
    if last < column && ed.has_room(column - last) {
        let row = ed.cursor.row;
        ed.splice(row, at, at, &" ".repeat(column - last));
        ed.cursor.col += column - last;
    }
}

/// One mark on the stack of overwritten characters for each that is before the cursor.
fn fix_replaced(ed: &mut Editor, col_before: usize) {
    for _ in ed.cursor.col..col_before {
        if let Some(last) = ed.insert.replaced.iter().rposition(Option::is_none) {
            ed.insert.replaced.remove(last);
        }
    }
    for _ in col_before..ed.cursor.col {
        ed.insert.replaced.push(None);
    }
}

pub(crate) fn left(ed: &mut Editor) {
    let from = ed.cursor;
    if one_left(ed) {
        begin_move(ed, from);
    }
}

pub(crate) fn right(ed: &mut Editor) {
    if ed.char() != '\0' {
        begin_move(ed, ed.cursor);
        ed.want_stale = true;
        ed.cursor.col += cell_len(ed.row(), ed.cursor.col);
    }
}

pub(crate) fn up(ed: &mut Editor) {
    let from = ed.cursor;
    if motion::up(ed, 1) {
        begin_move(ed, from);
    }
}

pub(crate) fn down(ed: &mut Editor) {
    let from = ed.cursor;
    if motion::down(ed, 1) {
        begin_move(ed, from);
    }
}

pub(crate) fn home(ed: &mut Editor) {
    let from = ed.cursor;
    ed.cursor.col = 0;
    ed.want = 0;
    ed.want_stale = false;
    begin_move(ed, from);
}

pub(crate) fn end(ed: &mut Editor) {
    let from = ed.cursor;
    ed.cursor.col = ed.row().len();
    ed.want = COL_MAX;
    ed.want_stale = false;
    begin_move(ed, from);
}

/// CTRL-E and CTRL-Y: the character below or above.
pub(crate) fn copy_from(ed: &mut Editor, below: bool) {
    let row = if below { ed.cursor.row.checked_add(1) } else { ed.cursor.row.checked_sub(1) };
    let Some(row) = row.filter(|&row| row <= ed.lines.last()) else {
        return;
    };
    let target = columns(ed.row(), ed.cursor.col).0;
    let line = ed.lines.get(row);
    let (mut col, mut column) = (0, 0);
    while col < line.len() && column < target {
        column += crate::chars::width_at(char_at(line, col), column);
        col += cell_len(line, col);
    }
    if column > target {
        col = head(line, col.max(1) - 1);
    }
    let c = char_at(line, col);
    if c != '\0' {
        insert_char(ed, c, Stroke::Literal(c));
    }
}

/// The key behind CTRL-R or CTRL-V.
pub(crate) fn waited(ed: &mut Editor, key: Key) {
    let Some(session) = ed.insert.session.as_mut() else {
        return;
    };
    let literally = session.waiting.len() > 1;
    let first = session.waiting[0];
    if first != Key::Ctrl('r') {
        session.waiting.clear();
        if let Key::Char(_) | Key::Tab | Key::Esc | Key::Enter | Key::Ctrl(_) = key {
            let c = char_of_key(key);
            insert_char(ed, c, Stroke::Literal(c));
        }
        return;
    }
    if !literally && matches!(key, Key::Ctrl('r' | 'o' | 'p')) {
        session.waiting.push(key);
        return;
    }
    let how = session.waiting.get(1).copied();
    session.waiting.clear();
    match key {
        Key::Char(name) if is_register(name) => insert_register(ed, name, how),
        _ => ed.beeps += 1,
    }
}

fn insert_register(ed: &mut Editor, name: char, how: Option<Key>) {
    if let Some(key @ Key::Ctrl('o' | 'p')) = how {
        for key in [Key::Ctrl('r'), key, Key::Char(name)] {
            ed.redo.push(key);
        }
        let how = put::How { before: true, rest_behind: true, ..put::How::default() };
        put::put(ed, ed.registers.known(Some(name)), 1, how);
        return;
    }
    if name == '.' {
        let text = ed.insert.last_insert.clone();
        redo::stuff(ed, text);
        return;
    }
    let register = ed.registers.read(Some(name)).clone();
    let unknown = ed.registers.known(Some(name)).is_none();
    if name == '_' || unknown || register.lines.is_empty() {
        return;
    }
    let last = register.lines.len() - 1;
    let mut strokes = Vec::new();
    for (i, line) in register.lines.iter().enumerate() {
        if name == '-' {
            ed.redo.push(Key::Ctrl('r'));
            ed.redo.push(Key::Char(name));
            let how = put::How { before: true, rest_behind: true, ..put::How::default() };
            put::put(ed, Some(name), 1, how);
        } else {
            let literal = how.is_some() || register.foreign;
            strokes.extend(line.chars().map(|c| stroke_of(c, literal)));
        }
        if register.shape == Shape::Lines || i < last {
            strokes.push(Stroke::Key(Key::Enter));
        }
    }
    if !redo::stuff(ed, strokes) {
        ed.beep();
    }
}

/// A register is inserted as if typed, unless it is foreign or CTRL-R CTRL-R asks otherwise.
fn stroke_of(c: char, literal: bool) -> Stroke {
    if literal && c != '\t' && c.is_control() {
        Stroke::Literal(c)
    } else {
        Stroke::Key(crate::key::key_of_char(c))
    }
}
