//! Insert and replace mode: entering, one key in them, and leaving.

use crate::block_insert::{self, BlockInsert};
use crate::change::{self, BlockChange};
use crate::command::Place;
use crate::editor::Editor;
use crate::insert_keys as keys;
use crate::key::{Key, char_of_key};
use crate::motion::{Start, line_start};
use crate::redo::{self, Stroke};
use crate::run;
use crate::text::{Pos, cell_len, head};
use crate::undo;

/// All that insert mode remembers, also between its sessions.
#[derive(Debug, Clone, Default)]
pub(crate) struct InsertState {
    pub(crate) session: Option<Session>,
    /// CTRL-O: after one command insert mode goes on.
    pub(crate) restart: Option<Restart>,
    /// The running insert went on after CTRL-O.
    restarted: bool,
    /// The cursor was moved: the next typed text is an insert of its own.
    pub(crate) arrow_used: bool,
    /// Where the running insert began, and where that was before the cursor was moved.
    pub(crate) start: Pos,
    pub(crate) original_start: Pos,
    keep_original: bool,
    /// The row is not yet saved for undo.
    needs_save: bool,
    /// CTRL-O was pressed behind the end of a line, in this row.
    pub(crate) at_eol: bool,
    eol_row: usize,
    /// Characters that replace mode has overwritten, to put them back; `None` parts them.
    pub(crate) replaced: Vec<Option<char>>,
    /// The text inserted last, as keys.
    pub(crate) last_insert: Vec<Stroke>,
    /// How many of the redo keys come before the inserted text.
    skip: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Restart {
    Insert,
    Replace,
}

#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The command that began it; none if an operator did.
    letter: Option<char>,
    pub(crate) replace: bool,
    /// How often the text is to be inserted, less what is done.
    pub(crate) count: isize,
    after: After,
    restart_after: Option<Restart>,
    /// Part of a command that is not finished yet.
    in_command: bool,
    /// Keys of CTRL-R or CTRL-V that wait for more.
    pub(crate) waiting: Vec<Key>,
    /// The key before, for `0 CTRL-D`.
    pub(crate) last_key: Option<Stroke>,
}

/// What is left to do when the insert is over.
#[derive(Debug, Clone)]
pub(crate) enum After {
    Nothing,
    BlockChange(BlockChange),
    BlockInsert(BlockInsert),
}

/// How an insert begins.
pub(crate) struct Begin {
    pub(crate) letter: Option<char>,
    pub(crate) from_line_start: bool,
    pub(crate) count: usize,
    pub(crate) after: After,
    pub(crate) restart_after: Option<Restart>,
    pub(crate) in_command: bool,
}

impl Begin {
    pub(crate) fn command(letter: char) -> Begin {
        Begin {
            letter: Some(letter),
            from_line_start: false,
            count: 1,
            after: After::Nothing,
            restart_after: None,
            in_command: true,
        }
    }

    pub(crate) fn operator() -> Begin {
        Begin { letter: None, ..Begin::command(' ') }
    }
}

/// `i a I A gI gi`
pub(crate) fn at(ed: &mut Editor, place: Place, count: usize) {
    let mut letter = 'i';
    match place {
        Place::Cursor => {}
        Place::After => {
            letter = 'a';
            if ed.char() != '\0' {
                ed.inc_cursor();
            }
        }
        Place::NonBlank => {
            letter = 'I';
            line_start(ed, Start::BehindBlanks);
        }
        Place::LineEnd => {
            letter = 'A';
            ed.want_stale = true;
            ed.cursor.col = ed.row().len();
        }
        Place::ColumnZero => {
            letter = 'g';
            line_start(ed, Start::Column);
        }
        Place::LastInsert => {
            if let Some(pos) = ed.marks.last_insert {
                ed.cursor = pos;
                ed.check_cursor_row();
                ed.cursor.col = pos.col.min(ed.row().len());
            }
        }
    }
    begin_command(ed, Begin { count, ..Begin::command(letter) });
}

/// `o` and `O`
pub(crate) fn open(ed: &mut Editor, below: bool, count: usize) {
    let row = if below { ed.cursor.row + 1 } else { ed.cursor.row };
    if !ed.has_room(1) {
        return;
    }
    undo::save(ed, row, row);
    undo::forget_row(ed);
    ed.lines.insert(row, String::new());
    ed.marks.shift_rows(row, 0, 1);
    ed.cursor = Pos { row, col: 0 };
    let letter = if below { 'o' } else { 'O' };
    begin_command(ed, Begin { count, from_line_start: true, ..Begin::command(letter) });
}

/// Begin an insert by a command of its own. Within a repeat, insert mode goes on after it.
pub(crate) fn begin_command(ed: &mut Editor, what: Begin) {
    let keeps = what.letter == Some('r') || !ed.feed.nothing_stuffed();
    let restart_after = ed.insert.restart.filter(|_| keeps);
    ed.insert.restart = None;
    begin(ed, Begin { restart_after, ..what });
}

pub(crate) fn begin(ed: &mut Editor, what: Begin) {
    let restart = ed.insert.restart;
    ed.insert.restarted = restart.is_some();
    ed.insert.keep_original = false;
    ed.insert.start = ed.cursor;
    if what.from_line_start {
        ed.insert.start.col = 0;
    }
    let mut count = what.count;
    if let Some(letter) = what.letter.filter(|_| restart.is_none()) {
        ed.redo.reset();
        ed.redo.push_number(count);
        ed.redo.push(Key::Char(letter));
        match letter {
            'g' => ed.redo.push(Key::Char('I')),
            'r' => count = 1,
            _ => {}
        }
    }
    let replace = match (what.letter, restart) {
        (_, Some(restart)) => restart == Restart::Replace,
        (letter, None) => letter == Some('R'),
    };
    ed.insert.session = Some(Session {
        letter: what.letter,
        replace,
        count: count.cast_signed(),
        after: what.after,
        restart_after: what.restart_after,
        in_command: what.in_command,
        waiting: Vec::new(),
        last_key: None,
    });
    ed.insert.arrow_used = false;
    if restart.is_some() && ed.feed.nothing_stuffed() {
        resume(ed);
    }
    ed.insert.needs_save = true;
    ed.insert.skip = ed.redo.keys.len();
}

/// Go on after CTRL-O: as if the cursor had been moved; behind the line's end if it was there.
fn resume(ed: &mut Editor) {
    ed.insert.arrow_used = true;
    ed.insert.restart = None;
    ed.update_want();
    let was_behind = ed.insert.at_eol && ed.cursor.row == ed.insert.eol_row;
    let wants_behind = ed.want > ed.cursor_column();
    let len = cell_len(ed.row(), ed.cursor.col);
    if (was_behind || wants_behind) && len > 0 && ed.cursor.col + len >= ed.row().len() {
        ed.cursor.col += len;
    }
    ed.insert.at_eol = false;
}

/// One key in insert or replace mode.
pub(crate) fn press(ed: &mut Editor, stroke: Stroke) {
    let arrow_used = ed.insert.arrow_used;
    let Some(session) = ed.insert.session.as_mut() else {
        return;
    };
    if arrow_used {
        session.count = 0;
    }
    if !ed.insert.keep_original {
        ed.insert.original_start = ed.insert.start;
    }
    if !arrow_used {
        ed.want_stale = true;
    }
    if matches!(stroke, Stroke::Key(Key::Up | Key::Down | Key::Ctrl('o'))) {
        ed.update_want();
    }
    let Some(session) = ed.insert.session.as_mut() else {
        return;
    };
    if !session.waiting.is_empty() {
        if let Stroke::Key(key) = stroke {
            keys::waited(ed, key);
        }
        return;
    }
    let last_key = session.last_key.replace(stroke);
    match stroke {
        Stroke::Literal(c) => keys::insert_char(ed, c, stroke),
        Stroke::Key(key) => press_key(ed, key, last_key),
    }
}

fn press_key(ed: &mut Editor, key: Key, last_key: Option<Stroke>) {
    match key {
        Key::Esc | Key::Ctrl('c') => leave(ed, false),
        Key::Ctrl('o') => {
            let replace = ed.replacing();
            ed.insert.restart = Some(if replace { Restart::Replace } else { Restart::Insert });
            ed.insert.at_eol = ed.char() == '\0';
            if let Some(session) = ed.insert.session.as_mut() {
                session.count = 0;
            }
            leave(ed, true);
        }
        Key::Ctrl('r' | 'v' | 'q') => {
            if let Some(session) = ed.insert.session.as_mut() {
                session.waiting.push(key);
            }
        }
        Key::Ctrl('t') => keys::shift(ed, false, last_key),
        Key::Ctrl('d') => keys::shift(ed, true, last_key),
        Key::Delete => keys::delete(ed),
        Key::Backspace | Key::Ctrl('h') => keys::backspace(ed, key, keys::Span::Char),
        Key::Ctrl('w') => keys::backspace(ed, key, keys::Span::Word),
        Key::Ctrl('u') => keys::backspace(ed, key, keys::Span::Line),
        Key::Left => keys::left(ed),
        Key::Right => keys::right(ed),
        Key::Up => keys::up(ed),
        Key::Down => keys::down(ed),
        Key::Home => keys::home(ed),
        Key::End => keys::end(ed),
        Key::Enter | Key::Ctrl('j') => keys::line_break(ed),
        Key::Ctrl('e') => keys::copy_from(ed, true),
        Key::Ctrl('y') => keys::copy_from(ed, false),
        Key::Ctrl('a') => {
            let text = ed.insert.last_insert.clone();
            if text.is_empty() || !redo::stuff(ed, text) {
                ed.beep();
            }
        }
        Key::Tab | Key::Char(_) => {
            keys::insert_char(ed, char_of_key(key), Stroke::Key(key));
        }
        Key::Ctrl(_) => {}
    }
}

/// Before the text is changed: an insert after moving the cursor begins here.
pub(crate) fn prepare_change(ed: &mut Editor) {
    if ed.insert.arrow_used {
        ed.insert.start = ed.cursor;
        let moved_right = ed.insert.start.col > ed.insert.original_start.col;
        if moved_right && !ed.insert.needs_save {
            ed.insert.keep_original = true;
        }
        undo::save_cursor_row(ed);
        ed.insert.arrow_used = false;
        ed.insert.needs_save = false;
        ed.redo.reset();
        ed.redo.push_chars("1i");
        ed.insert.skip = 2;
    } else if ed.insert.needs_save {
        undo::save_cursor_row(ed);
        ed.insert.needs_save = false;
    }
}

/// The cursor is moved: what was inserted until now is complete.
pub(crate) fn begin_move(ed: &mut Editor, from: Pos) {
    if !ed.insert.arrow_used {
        ed.redo.push(Key::Esc);
        complete(ed, from);
        ed.insert.arrow_used = true;
    }
}

fn complete(ed: &mut Editor, end: Pos) {
    ed.redo.blocked = false;
    ed.insert.replaced.clear();
    if !ed.insert.restarted || ed.redo.keys.len() > ed.insert.skip {
        let skip = ed.insert.skip.min(ed.redo.keys.len());
        ed.insert.last_insert = ed.redo.keys[skip..].to_vec();
        if ed.insert.last_insert.last() == Some(&Stroke::Key(Key::Esc)) {
            ed.insert.last_insert.pop();
        }
    }
    ed.marks.op_start = Some(ed.insert.start);
    ed.marks.op_end = Some(end);
}

/// Esc, or CTRL-O for one command.
fn leave(ed: &mut Editor, for_command: bool) {
    if ed.insert.at_eol && ed.char() == '\0' {
        ed.insert.eol_row = ed.cursor.row;
    }
    let col_before = ed.cursor.col;
    let is_replace_char = ed.insert.session.as_ref().is_some_and(|s| s.letter == Some('r'));
    if !ed.insert.arrow_used {
        if !is_replace_char {
            ed.redo.push(Key::Esc);
        }
        let Some(session) = ed.insert.session.as_mut() else {
            return;
        };
        session.count -= 1;
        if session.count > 0 {
            if redo::repeat_insert(ed) {
                return;
            }
            ed.beep();
        }
        complete(ed, ed.cursor);
    }
    if ed.insert.restart.is_none() && col_before == ed.cursor.col {
        ed.want_stale = true;
    }
    ed.marks.last_insert = Some(ed.cursor);
    let steps_back = ed.insert.restart.is_none() || (ed.char() == '\0' && !ed.visual.active);
    if ed.cursor.col > 0 && steps_back {
        ed.cursor.col = head(ed.row(), ed.cursor.col.min(ed.row().len()) - 1);
    }
    let Some(session) = ed.insert.session.take() else {
        return;
    };
    match session.after {
        After::Nothing => {}
        After::BlockChange(change) => change::finish_block(ed, change),
        After::BlockInsert(insert) => block_insert::finish(ed, insert),
    }
    if ed.insert.restart.is_none() {
        ed.insert.restart = session.restart_after;
    }
    if session.in_command {
        run::finish_command(ed, for_command);
    }
}
