//! What a front end sees of the editor: mode, cursor, selection, clipboard, paste.

use std::ops::Range;

use crate::editor::{Editor, admitted};
use crate::insert::Restart;
use crate::key::Key;
use crate::text::{COL_MAX, Lines, Pos, cell_len, char_at, columns, floor};
use crate::undo;
use crate::visual::{VisualKind, block_columns};

/// The mode, as a badge and a cursor shape show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Normal,
    Insert,
    Replace,
    Visual(VisualKind),
    /// One normal command, then insert or replace mode again (CTRL-O).
    OneCommand,
}

/// The selected text, both ends included, as rows and characters from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    pub kind: VisualKind,
    pub first: (usize, usize),
    pub last: (usize, usize),
    /// Screen columns of a block; `None` at the end: up to the ends of the lines.
    pub columns: (usize, Option<usize>),
}

impl Editor {
    /// The whole text, lines parted by `\n`.
    pub fn text(&self) -> String {
        self.lines.join()
    }

    pub fn line_count(&self) -> usize {
        self.lines.count()
    }

    pub fn line(&self, row: usize) -> &str {
        self.lines.get(row)
    }

    /// Row and column in characters, both from 0; a character is one with its combining marks.
    pub fn cursor(&self) -> (usize, usize) {
        (self.cursor.row, self.chars_before(self.cursor))
    }

    fn chars_before(&self, pos: Pos) -> usize {
        let line = self.lines.get(pos.row);
        let (mut at, mut chars) = (0, 0);
        while at < line.len() && at + cell_len(line, at) <= pos.col {
            at += cell_len(line, at);
            chars += 1;
        }
        chars
    }

    /// Move the cursor, as by a mouse click. Leaves an unfinished command and a selection.
    pub fn set_cursor(&mut self, row: usize, col: usize) {
        self.pending.clear();
        if self.visual.active {
            self.end_visual();
        }
        if self.inserting() {
            let from = self.cursor;
            crate::insert::begin_move(self, from);
        }
        self.cursor = Pos { row: row.min(self.lines.last()), col: 0 };
        let line = self.row();
        let mut at = 0;
        for _ in 0..col {
            if at >= line.len() {
                break;
            }
            at += cell_len(line, at);
        }
        self.cursor.col = at;
        self.check_cursor();
        self.want_stale = true;
    }

    pub fn mode(&self) -> Mode {
        if self.visual.active {
            Mode::Visual(self.visual.kind)
        } else if self.replacing() {
            Mode::Replace
        } else if self.inserting() {
            Mode::Insert
        } else if let Some(Restart::Insert | Restart::Replace) = self.insert.restart {
            Mode::OneCommand
        } else {
            Mode::Normal
        }
    }

    /// The keys of an unfinished command, for a showcmd line.
    pub fn pending(&self) -> &[Key] {
        match &self.insert.session {
            Some(session) => &session.waiting,
            None => &self.pending,
        }
    }

    /// The register that a macro is being recorded into.
    pub fn recording(&self) -> Option<char> {
        self.recording.as_ref().map(|recording| recording.register)
    }

    /// How often a command has failed so far; a front end may flash when it grows.
    pub fn beeps(&self) -> u64 {
        self.beeps
    }

    /// The selection to draw, while there is one.
    pub fn selection(&self) -> Option<Selection> {
        if !self.visual.active {
            return None;
        }
        let first = self.visual.start.min(self.cursor);
        let last = self.visual.start.max(self.cursor);
        let (left, right) = block_columns(self, first, last);
        let place = |pos: Pos| (pos.row, self.chars_before(pos));
        let kind = self.visual.kind;
        let line_end = |row: usize| self.chars_before(Pos { row, col: COL_MAX });
        let (first, last) = match kind {
            VisualKind::Line => ((first.row, 0), (last.row, line_end(last.row))),
            _ => (place(first), place(last)),
        };
        let right = if self.want >= COL_MAX { None } else { Some(right) };
        Some(Selection { kind, first, last, columns: (left, right) })
    }

    /// The bytes of `text()` before the cursor.
    pub fn cursor_offset(&self) -> usize {
        self.row_offset(self.cursor.row) + self.cursor.col.min(self.row().len())
    }

    fn row_offset(&self, row: usize) -> usize {
        (0..row).map(|row| self.lines.get(row).len() + 1).sum()
    }

    /// What is selected, as bytes of `text()`: a range for each line. In an empty line, and where
    /// a block lies right of a line's end, it is empty.
    pub fn selected(&self) -> Vec<Range<usize>> {
        let Some(selection) = self.selection() else {
            return Vec::new();
        };
        let first = self.visual.start.min(self.cursor);
        let last = self.visual.start.max(self.cursor);
        let mut offset = self.row_offset(first.row);
        let mut ranges = Vec::new();
        for row in first.row..=last.row {
            let line = self.lines.get(row);
            let (from, to) = match selection.kind {
                VisualKind::Line => (0, line.len()),
                VisualKind::Block => block_part(line, selection.columns),
                VisualKind::Char => {
                    let from = if row == first.row { first.col } else { 0 };
                    let behind = last.col + cell_len(line, last.col);
                    (from, if row == last.row { behind } else { line.len() })
                }
            };
            let to = to.min(line.len());
            ranges.push(offset + from.min(to)..offset + to);
            offset += line.len() + 1;
        }
        ranges
    }

    /// Press a key that the program adds of itself: no macro records it.
    pub fn press_unrecorded(&mut self, key: Key) {
        let recording = self.recording.take();
        self.press(key);
        self.recording = recording;
    }

    /// A new text with its own undo and marks; registers, macros and `.` stay.
    pub fn set_text(&mut self, text: &str) {
        let fresh = Editor::new(text);
        self.lines = fresh.lines;
        self.cursor = fresh.cursor;
        self.want_stale = true;
        self.undo = fresh.undo;
        self.marks = fresh.marks;
        self.visual = fresh.visual;
        self.pending.clear();
        self.feed.drop_all();
        let last_insert = std::mem::replace(&mut self.insert, fresh.insert).last_insert;
        self.insert.last_insert = last_insert;
        self.redo.blocked = false;
        self.redo.visual_busy = false;
    }

    /// Pasted text goes in at the cursor as one block and one undo step, never as keys.
    pub fn paste(&mut self, text: &str) {
        let text = admitted(text);
        if text.is_empty() || !self.has_room(text.len()) {
            return;
        }
        self.pending.clear();
        if self.visual.active {
            self.end_visual();
        }
        let inserting = self.inserting();
        if inserting {
            let from = self.cursor;
            crate::insert::begin_move(self, from);
        } else if self.char() != '\0' && self.cursor.col > 0 {
            self.inc_cursor();
        }
        self.undo.sync(self.lines.count());
        undo::save_cursor_row(self);
        self.insert_text(&text);
        self.undo.sync(self.lines.count());
        if !inserting && self.cursor.col > 0 {
            self.dec_cursor();
        }
        self.want_stale = true;
    }

    fn insert_text(&mut self, text: &str) {
        let Pos { row, col } = self.cursor;
        let line = self.lines.get(row);
        let at = floor(line, col);
        let (head, rest) = (line[..at].to_owned(), line[at..].to_owned());
        let added = Lines::new(text);
        let last = added.last();
        for i in 0..=last {
            let mut new = added.get(i).to_owned();
            if i == 0 {
                new.insert_str(0, &head);
            }
            if i == last {
                self.cursor = Pos { row: row + last, col: new.len() };
                new.push_str(&rest);
            }
            if i == 0 {
                self.lines.replace(row, new);
            } else {
                self.lines.insert(row + i, new);
            }
        }
        self.marks.shift_rows(row + 1, 0, last.cast_signed());
    }

    /// Make `"+` a register of its own. Until then it names none, as in a Vim without clipboard.
    pub fn connect_clipboard(&mut self) {
        self.registers.has_clipboard = true;
    }

    /// What the clipboard holds now, for `"+p`. Never pressed as keys.
    pub fn set_clipboard(&mut self, text: &str) {
        self.connect_clipboard();
        self.registers.set_foreign('+', &admitted(text), false);
    }

    /// Text that was yanked to `"+` since the last call, for the terminal's clipboard.
    pub fn take_clipboard(&mut self) -> Option<String> {
        self.registers.clipboard_out.take()
    }

    /// Put text that was yanked outside into a register; `@` will refuse to press it, and `p`
    /// without a name puts it.
    pub fn set_register(&mut self, name: char, text: &str) {
        if crate::register::is_writable(name) && name != '_' {
            self.registers.set_foreign(name, &admitted(text), true);
        }
    }

    /// The text of a register, or nothing if it is empty.
    pub fn register(&self, name: char) -> Option<String> {
        let register = self.registers.read(Some(name));
        (!register.lines.is_empty()).then(|| register.text())
    }

    /// The register holds text from outside, or text of which some came from outside.
    pub fn is_foreign(&self, name: char) -> bool {
        self.registers.read(Some(name)).foreign
    }

    /// The character under the cursor; nothing behind the end of a line.
    pub fn char_under_cursor(&self) -> Option<char> {
        Some(char_at(self.row(), self.cursor.col)).filter(|&c| c != '\0')
    }

    /// The screen column of the cursor, with tabs and wide characters reckoned in.
    pub fn cursor_screen_column(&self) -> usize {
        self.cursor_column()
    }
}

/// The bytes of a line that a block of screen columns covers.
fn block_part(line: &str, (left, right): (usize, Option<usize>)) -> (usize, usize) {
    let (mut from, mut at) = (line.len(), 0);
    while at < line.len() {
        let (start, end) = columns(line, at);
        if right.is_some_and(|right| start > right) {
            break;
        }
        if end >= left {
            from = from.min(at);
        }
        at += cell_len(line, at);
    }
    (from, at)
}
