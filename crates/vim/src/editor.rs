//! The editor: all its state, and the loop that turns one pressed key into changes. What the keys
//! mean is in `parse.rs`, what they do in the files named after it; see `docs/vim.md`.

use crate::find::Find;
use crate::insert::{self, InsertState};
use crate::key::{Key, char_of_key, normalized};
use crate::limits::{
    BYTES_PER_PRESS_MAX, KEYS_PENDING_MAX, KEYS_PER_PRESS_MAX, KEYS_RECORDED_MAX, TEXT_BYTES_MAX,
};
use crate::marks::Marks;
use crate::parse::{self, Parsed};
use crate::redo::{Feed, Redo, Stroke};
use crate::register::Registers;
use crate::run;
use crate::text::{COL_MAX, Lines, Pos, char_at, columns, floor, head};
use crate::undo::Undo;
use crate::visual::{self, Visual};

/// Half of Vim's smallest usual window.
const HALF_PAGE_LINES: usize = 11;

/// A text with a cursor, edited by keys as Vim would.
#[derive(Debug, Clone)]
pub struct Editor {
    pub(crate) lines: Lines,
    pub(crate) cursor: Pos,
    /// The screen column that `j` and `k` try to keep; stale: take it from the cursor.
    pub(crate) want: usize,
    pub(crate) want_stale: bool,
    pub(crate) undo: Undo,
    pub(crate) marks: Marks,
    pub(crate) registers: Registers,
    pub(crate) visual: Visual,
    pub(crate) insert: InsertState,
    pub(crate) find: Option<Find>,
    pub(crate) redo: Redo,
    pub(crate) feed: Feed,
    /// Keys of an unfinished command.
    pub(crate) pending: Vec<Key>,
    pub(crate) recording: Option<Recording>,
    /// The register that `@@` presses again.
    pub(crate) last_executed: Option<char>,
    /// Lines that CTRL-D and CTRL-U move.
    pub(crate) half_page: usize,
    /// Counts beeps, so that a front end can flash.
    pub(crate) beeps: u64,
}

/// A macro being recorded.
#[derive(Debug, Clone)]
pub(crate) struct Recording {
    pub(crate) register: char,
    pub(crate) keys: Vec<Key>,
}

impl Editor {
    /// A fresh editor in normal mode with the cursor on the first character.
    pub fn new(text: &str) -> Editor {
        let lines = Lines::new(&admitted(text));
        let marks = Marks::new(lines.last());
        Editor {
            lines,
            cursor: Pos::default(),
            want: 0,
            want_stale: true,
            undo: Undo::new(),
            marks,
            registers: Registers::default(),
            visual: Visual::default(),
            insert: InsertState::default(),
            find: None,
            redo: Redo::default(),
            feed: Feed::default(),
            pending: Vec::new(),
            recording: None,
            last_executed: None,
            half_page: HALF_PAGE_LINES,
            beeps: 0,
        }
    }

    /// Press one key, and everything that it sets off.
    pub fn press(&mut self, key: Key) {
        let Some(key) = normalized(key) else { return };
        self.feed.typed.push_back(key);
        self.run_queued();
    }

    pub(crate) fn run_queued(&mut self) {
        let (mut keys, mut bytes) = (0, 0);
        while let Some(stroke) = self.next_stroke() {
            self.press_stroke(stroke);
            keys += 1;
            bytes += self.lines.bytes;
            if keys >= KEYS_PER_PRESS_MAX || bytes >= BYTES_PER_PRESS_MAX {
                if let Some(session) = &mut self.insert.session {
                    session.count = 0;
                }
                self.beep();
                return;
            }
        }
    }

    fn next_stroke(&mut self) -> Option<Stroke> {
        if self.feed.mapped.is_empty() {
            self.feed.executing = false;
        }
        if let Some(stroke) = self.feed.stuffed.pop_front().or_else(|| self.feed.redo.pop_front()) {
            self.feed.key_stuffed = true;
            return Some(stroke);
        }
        self.feed.key_stuffed = false;
        if let Some(key) = self.feed.mapped.pop_front() {
            self.feed.key_typed = false;
            return Some(Stroke::Key(key));
        }
        let key = self.feed.typed.pop_front()?;
        self.feed.key_typed = true;
        if let Some(recording) =
            self.recording.as_mut().filter(|r| r.keys.len() < KEYS_RECORDED_MAX)
        {
            recording.keys.push(key);
        }
        if self.insert.session.is_none() || self.insert.arrow_used {
            self.undo.sync(self.lines.count());
        }
        Some(Stroke::Key(key))
    }

    fn press_stroke(&mut self, stroke: Stroke) {
        if self.insert.session.is_some() {
            insert::press(self, stroke);
            return;
        }
        let key = match stroke {
            Stroke::Key(key) => key,
            Stroke::Literal(c) => Key::Char(c),
        };
        if self.pending.len() >= KEYS_PENDING_MAX {
            self.pending.clear();
            self.beep();
            return;
        }
        self.pending.push(key);
        let situation = parse::Situation {
            visual: self.visual.active,
            recording: self.recording.is_some(),
            executing: self.feed.executing,
        };
        match parse::parse(&self.pending, situation) {
            Parsed::More => {}
            Parsed::Nonsense => {
                self.pending.clear();
                self.beep();
                run::finish_command(self, false);
            }
            Parsed::Done(command) => {
                self.pending.clear();
                self.check_cursor();
                self.update_want();
                run::run(self, command);
            }
        }
    }

    /// A command failed: macros and repeats stop here; keys typed ahead go on, as in Vim.
    pub(crate) fn beep(&mut self) {
        self.beeps += 1;
        self.feed.drop_all();
    }

    pub(crate) fn inserting(&self) -> bool {
        self.insert.session.is_some()
    }

    pub(crate) fn replacing(&self) -> bool {
        self.insert.session.as_ref().is_some_and(|session| session.replace)
    }

    /// The cursor may rest behind the last character of a line.
    pub(crate) fn may_rest_behind(&self) -> bool {
        self.inserting() || self.insert.restart.is_some() || self.visual.active
    }

    pub(crate) fn row(&self) -> &str {
        self.lines.get(self.cursor.row)
    }

    pub(crate) fn char(&self) -> char {
        char_at(self.row(), self.cursor.col)
    }

    pub(crate) fn check_cursor_row(&mut self) {
        self.cursor.row = self.cursor.row.min(self.lines.last());
    }

    pub(crate) fn check_cursor_col(&mut self) {
        let len = self.row().len();
        if self.cursor.col < len {
            return;
        }
        let behind = self.may_rest_behind();
        self.cursor.col = if behind || len == 0 { len } else { head(self.row(), len - 1) };
    }

    pub(crate) fn check_cursor(&mut self) {
        self.check_cursor_row();
        self.check_cursor_col();
        self.adjust_cursor();
    }

    /// Off the middle of a character.
    pub(crate) fn adjust_cursor(&mut self) {
        self.cursor.col = head(self.row(), self.cursor.col);
    }

    /// Back onto the last character, unless the mode lets the cursor rest behind it.
    pub(crate) fn adjust_cursor_eol(&mut self) {
        let off_text = self.cursor.col > 0 && self.char() == '\0';
        if off_text && self.insert.restart.is_none() && !self.inserting() {
            self.cursor.col = head(self.row(), self.cursor.col.min(self.row().len()) - 1);
        }
    }

    pub(crate) fn inc_cursor(&mut self) -> crate::text::Step {
        let mut pos = self.cursor;
        let step = self.lines.inc(&mut pos);
        self.cursor = pos;
        step
    }

    pub(crate) fn dec_cursor(&mut self) -> crate::text::Step {
        let mut pos = self.cursor;
        let step = self.lines.dec(&mut pos);
        self.cursor = pos;
        step
    }

    /// The screen column of the cursor: on a tab its end, where a block cursor is drawn, except
    /// when inserting or at the start of a selection.
    pub(crate) fn cursor_column(&self) -> usize {
        let at_start = self.inserting() || (self.visual.active && self.cursor <= self.visual.start);
        if at_start { columns(self.row(), self.cursor.col).0 } else { self.normal_column() }
    }

    /// The screen column of the cursor as normal mode has it.
    pub(crate) fn normal_column(&self) -> usize {
        let (start, end) = columns(self.row(), self.cursor.col);
        if self.char() == '\t' { end } else { start }
    }

    pub(crate) fn update_want(&mut self) {
        if self.want_stale {
            self.want = self.cursor_column();
            self.want_stale = false;
        }
    }

    /// Move the cursor within its line to a screen column, as near as the line and mode allow.
    pub(crate) fn advance_to_column(&mut self, column: usize) {
        self.cursor.col = self.col_at_column(self.cursor.row, column);
    }

    pub(crate) fn col_at_column(&self, row: usize, column: usize) -> usize {
        let line = self.lines.get(row);
        let behind = self.may_rest_behind();
        if column >= COL_MAX {
            let len = line.len();
            return if behind || len == 0 { len } else { head(line, len - 1) };
        }
        let (mut at, mut reached, mut last) = (0, 0, 0);
        while reached <= column && at < line.len() {
            last = at;
            let len = crate::text::cell_len(line, at);
            reached += crate::chars::width_at(char_at(line, at), reached);
            at += len;
        }
        if reached > column || !behind { last } else { at }
    }

    pub(crate) fn set_jump_mark(&mut self) {
        self.marks.jump_before = self.marks.jump;
        self.marks.jump = Some(self.cursor);
        self.marks.jumps.add(self.cursor);
    }

    /// A jump that went nowhere leaves the mark of the jump before.
    pub(crate) fn check_jump_mark(&mut self) {
        let stayed = self.marks.jump.is_none_or(|jump| jump == self.cursor);
        if self.marks.jump_before.is_some() && stayed {
            self.marks.jump = self.marks.jump_before;
        }
        self.marks.jump_before = None;
    }

    /// May the text grow by so many bytes? If not, the command beeps and does nothing.
    pub(crate) fn has_room(&mut self, bytes: usize) -> bool {
        let fits = self.lines.bytes.saturating_add(bytes) <= TEXT_BYTES_MAX;
        if !fits {
            self.beep();
        }
        fits
    }

    /// Replace part of a line of the text, without undo.
    pub(crate) fn splice(&mut self, row: usize, from: usize, to: usize, text: &str) {
        let line = self.lines.get(row);
        let from = floor(line, from);
        let to = floor(line, to).max(from);
        let new = [&line[..from], text, &line[to..]].concat();
        self.lines.replace(row, new);
        self.marks.last_change = Some(Pos { row, col: from });
    }

    pub(crate) fn delete_rows(&mut self, first: usize, count: usize) {
        let count = count.min(self.lines.count().saturating_sub(first));
        if count == 0 || self.lines.none {
            return;
        }
        for _ in 0..count {
            self.lines.remove(first);
        }
        self.cursor.col = 0;
        self.check_cursor_row();
        self.marks.shift_rows(first, count, -count.cast_signed());
        self.marks.last_change = Some(Pos { row: first, col: 0 });
    }

    pub(crate) fn stop_recording(&mut self) -> Option<(char, String)> {
        let mut recording = self.recording.take()?;
        recording.keys.pop();
        if self.insert.restart.is_some() && recording.keys.last() == Some(&Key::Ctrl('o')) {
            recording.keys.pop();
        }
        Some((recording.register, recording.keys.into_iter().map(char_of_key).collect()))
    }

    pub(crate) fn end_visual(&mut self) {
        visual::end(self);
    }
}

/// Text as it may enter: bounded, one kind of line break, no NUL.
pub(crate) fn admitted(text: &str) -> String {
    let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "")
}
