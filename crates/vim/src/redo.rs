//! Keys that are pressed by the editor itself: macros, `.`, repeated inserts.

use crate::editor::Editor;
use crate::key::{Key, key_of_char};
use crate::limits::{KEYS_QUEUED_MAX, KEYS_RECORDED_MAX};
use std::collections::VecDeque;

/// A key, or a character that is inserted whatever its key would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stroke {
    Key(Key),
    Literal(char),
}

/// Keys waiting to be pressed, in the order they are taken.
#[derive(Debug, Clone, Default)]
pub(crate) struct Feed {
    /// Put there by a command for right after it.
    pub(crate) stuffed: VecDeque<Stroke>,
    /// The command that `.` or a count repeats.
    pub(crate) redo: VecDeque<Stroke>,
    /// A macro.
    pub(crate) mapped: VecDeque<Key>,
    pub(crate) typed: VecDeque<Key>,
    /// A macro is running: `q` does nothing in it.
    pub(crate) executing: bool,
    /// The last key came from the keyboard, or was set off by one that did.
    pub(crate) key_typed: bool,
    /// The last key came from `stuffed` or `redo`.
    pub(crate) key_stuffed: bool,
}

impl Feed {
    pub(crate) fn drop_all(&mut self) {
        self.stuffed.clear();
        self.redo.clear();
        self.mapped.clear();
    }

    pub(crate) fn nothing_stuffed(&self) -> bool {
        self.stuffed.is_empty() && self.redo.is_empty()
    }

    fn room(&self) -> usize {
        let waiting = self.stuffed.len() + self.redo.len() + self.mapped.len();
        KEYS_QUEUED_MAX.saturating_sub(waiting)
    }
}

/// The last change as keys, for `.`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redo {
    pub(crate) keys: Vec<Stroke>,
    /// The change before, which `.` after CTRL-O repeats.
    before: Vec<Stroke>,
    /// A repeated insert is running: its keys are not the change itself.
    pub(crate) blocked: bool,
    /// The running `.` repeats an operator on a selection.
    pub(crate) visual_busy: bool,
    pub(crate) visual: RedoVisual,
}

/// The size of the selection an operator worked on last.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RedoVisual {
    pub(crate) kind: crate::visual::VisualKind,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) count: usize,
    pub(crate) progressive: bool,
}

impl Redo {
    pub(crate) fn reset(&mut self) {
        if !self.blocked {
            self.before = std::mem::take(&mut self.keys);
        }
    }

    pub(crate) fn push(&mut self, key: Key) {
        self.push_stroke(Stroke::Key(key));
    }

    pub(crate) fn push_stroke(&mut self, stroke: Stroke) {
        if !self.blocked && self.keys.len() < KEYS_RECORDED_MAX {
            self.keys.push(stroke);
        }
    }

    pub(crate) fn push_number(&mut self, number: usize) {
        number.to_string().chars().for_each(|digit| self.push(Key::Char(digit)));
    }

    pub(crate) fn push_chars(&mut self, text: &str) {
        text.chars().for_each(|c| self.push(key_of_char(c)));
    }
}

/// Remember a new command: register, count and keys, in the order they are typed.
pub(crate) fn prepare(ed: &mut Editor, register: Option<char>, count: usize, keys: &[Key]) {
    ed.redo.reset();
    if let Some(register) = register {
        ed.redo.push(Key::Char('"'));
        ed.redo.push(Key::Char(register));
    }
    if count != 0 {
        ed.redo.push_number(count);
    }
    for &key in keys {
        ed.redo.push(key);
    }
}

/// `.`: queue the last change again; a count takes the place of its own.
pub(crate) fn repeat(ed: &mut Editor, count: usize) -> bool {
    let use_before = ed.insert.restart.is_some() && !ed.insert.arrow_used;
    let keys = if use_before { ed.redo.before.clone() } else { ed.redo.keys.clone() };
    if keys.is_empty() || keys.len() > ed.feed.room() {
        return false;
    }
    let mut rest = keys.as_slice();
    if let [Stroke::Key(Key::Char('"')), Stroke::Key(Key::Char(register)), after @ ..] = rest {
        // Repeating a put from "1 puts "2, and so on.
        let next = match register {
            '1'..='8' => char::from(*register as u8 + 1),
            other => *other,
        };
        ed.feed.redo.extend([Stroke::Key(Key::Char('"')), Stroke::Key(Key::Char(next))]);
        rest = after;
    }
    if let [Stroke::Key(Key::Char('v')), after @ ..] = rest {
        ed.visual.start = ed.cursor;
        ed.visual.active = true;
        ed.redo.visual_busy = true;
        rest = after;
    }
    if count != 0 {
        while let [Stroke::Key(Key::Char('0'..='9')), after @ ..] = rest {
            rest = after;
        }
        let digits = count.to_string();
        ed.feed.redo.extend(digits.chars().map(|digit| Stroke::Key(Key::Char(digit))));
    }
    ed.feed.redo.extend(rest);
    true
}

/// Queue what was typed in the running insert once more, for its count.
pub(crate) fn repeat_insert(ed: &mut Editor) -> bool {
    let starts =
        |stroke: &Stroke| matches!(stroke, Stroke::Key(Key::Char(c)) if "AaIiRrOo".contains(*c));
    let Some(at) = ed.redo.keys.iter().position(starts) else {
        return false;
    };
    let typed: Vec<Stroke> = ed.redo.keys[at + 1..].to_vec();
    if typed.len() >= ed.feed.room() {
        return false;
    }
    if matches!(ed.redo.keys[at], Stroke::Key(Key::Char('o' | 'O'))) {
        ed.feed.redo.push_back(Stroke::Key(Key::Enter));
    }
    ed.feed.redo.extend(typed);
    ed.redo.blocked = true;
    true
}

/// Queue keys to be pressed right after the command that is running.
pub(crate) fn stuff(ed: &mut Editor, strokes: impl IntoIterator<Item = Stroke>) -> bool {
    let strokes: Vec<Stroke> = strokes.into_iter().collect();
    let fits = strokes.len() <= ed.feed.room();
    if fits {
        ed.feed.stuffed.extend(strokes);
    }
    fits
}

/// Queue a macro before everything else that waits.
pub(crate) fn queue_macro(ed: &mut Editor, text: &str, times: usize) -> bool {
    let keys: Vec<Key> = text.chars().map(key_of_char).collect();
    let wanted = keys.len().saturating_mul(times);
    if wanted > ed.feed.room() {
        return false;
    }
    let times = if keys.is_empty() { 0 } else { times };
    for _ in 0..times {
        for &key in keys.iter().rev() {
            ed.feed.mapped.push_front(key);
        }
    }
    true
}
