//! Lines of text and positions in them. As in Vim, a column counts bytes, and a character is a
//! base character with its composing marks; every function tolerates any column.

use crate::chars::{is_composing, is_white, width_at};

/// A column behind every end of line.
pub(crate) const COL_MAX: usize = usize::MAX / 4;

/// Row and byte column, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Pos {
    pub(crate) row: usize,
    pub(crate) col: usize,
}

/// What one step through the text met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Another character of the same line.
    Inside,
    /// The place behind the last character of the line.
    LineEnd,
    /// The neighbouring line.
    OtherLine,
    /// Nothing: at the start or the end of the text.
    Stuck,
}

/// The lines of the buffer: never none, but possibly one that stands for none.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    rows: Vec<String>,
    /// All lines were deleted: the one empty line there is only stands in.
    pub(crate) none: bool,
    pub(crate) bytes: usize,
}

impl Lines {
    pub(crate) fn new(text: &str) -> Lines {
        let rows: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let bytes = rows.iter().map(|row| row.len() + 1).sum();
        Lines { rows, none: false, bytes }
    }

    pub(crate) fn get(&self, row: usize) -> &str {
        self.rows.get(row).map_or("", String::as_str)
    }

    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn last(&self) -> usize {
        self.rows.len() - 1
    }

    /// One line without text.
    pub(crate) fn is_blank(&self) -> bool {
        self.rows.len() == 1 && self.rows[0].is_empty()
    }

    pub(crate) fn replace(&mut self, row: usize, line: String) {
        if let Some(old) = self.rows.get_mut(row) {
            self.bytes = self.bytes + line.len() - old.len();
            *old = line;
            self.none = false;
        }
    }

    pub(crate) fn insert(&mut self, row: usize, line: String) {
        self.bytes += line.len() + 1;
        self.rows.insert(row.min(self.rows.len()), line);
        self.none = false;
    }

    pub(crate) fn remove(&mut self, row: usize) {
        if row >= self.rows.len() {
            return;
        }
        if self.rows.len() == 1 {
            self.replace(0, String::new());
            self.none = true;
            return;
        }
        let gone = self.rows.remove(row);
        self.bytes -= gone.len() + 1;
    }

    pub(crate) fn join(&self) -> String {
        self.rows.join("\n")
    }

    pub(crate) fn char_at(&self, pos: Pos) -> char {
        char_at(self.get(pos.row), pos.col)
    }

    pub(crate) fn is_empty_row(&self, row: usize) -> bool {
        self.get(row).is_empty()
    }

    /// Blanks only, or nothing.
    pub(crate) fn is_white_row(&self, row: usize) -> bool {
        self.get(row).chars().all(is_white)
    }

    /// One character on, over the place behind the last one of a line.
    pub(crate) fn inc(&self, pos: &mut Pos) -> Step {
        let line = self.get(pos.row);
        if pos.col < line.len() {
            pos.col += cell_len(line, pos.col);
            return if pos.col < line.len() { Step::Inside } else { Step::LineEnd };
        }
        if pos.row < self.last() {
            *pos = Pos { row: pos.row + 1, col: 0 };
            return Step::OtherLine;
        }
        Step::Stuck
    }

    /// Like `inc`, without resting behind the last character of a line that has one.
    pub(crate) fn inc_skip(&self, pos: &mut Pos) -> Step {
        let step = self.inc(pos);
        if matches!(step, Step::OtherLine | Step::LineEnd) && pos.col > 0 {
            return self.inc(pos);
        }
        step
    }

    pub(crate) fn dec(&self, pos: &mut Pos) -> Step {
        let line = self.get(pos.row);
        if pos.col >= COL_MAX {
            pos.col = line.len();
            return Step::Inside;
        }
        if pos.col > 0 {
            pos.col = head(line, pos.col - 1);
            return Step::Inside;
        }
        if pos.row > 0 {
            pos.row -= 1;
            pos.col = self.get(pos.row).len();
            return Step::OtherLine;
        }
        Step::Stuck
    }

    pub(crate) fn dec_skip(&self, pos: &mut Pos) -> Step {
        let step = self.dec(pos);
        if step == Step::OtherLine && pos.col > 0 {
            return self.dec(pos);
        }
        step
    }
}

/// The base character in a column; NUL behind the end, as Vim's C strings have it.
pub(crate) fn char_at(line: &str, col: usize) -> char {
    match byte_at(line, col) {
        byte if byte.is_ascii() => char::from(byte),
        _ => line[floor(line, col)..].chars().next().unwrap_or('\0'),
    }
}

pub(crate) fn byte_at(line: &str, col: usize) -> u8 {
    line.as_bytes().get(col).copied().unwrap_or(0)
}

/// A column that `line` may be cut at: not behind the end, not inside a character's bytes.
pub(crate) fn floor(line: &str, col: usize) -> usize {
    line.floor_char_boundary(col.min(line.len()))
}

/// Bytes of the character in a column with its marks; 0 behind the end.
pub(crate) fn cell_len(line: &str, col: usize) -> usize {
    if col >= line.len() {
        return 0;
    }
    // No mark begins with an ASCII byte.
    if byte_at(line, col + 1).is_ascii() && byte_at(line, col).is_ascii() {
        return 1;
    }
    if !line.is_char_boundary(col) {
        return 1;
    }
    let mut chars = line[col..].char_indices();
    chars.next();
    chars.find(|&(_, c)| !is_composing(c)).map_or(line.len() - col, |(len, _)| len)
}

/// Where the character begins that a byte column is part of.
pub(crate) fn head(line: &str, col: usize) -> usize {
    if col >= line.len() {
        return line.len();
    }
    let mut col = floor(line, col);
    while col > 0 && is_composing(char_at(line, col)) {
        col = floor(line, col - 1);
    }
    col
}

/// The last byte of the character that a byte column is part of.
pub(crate) fn tail(line: &str, col: usize) -> usize {
    if col >= line.len() {
        return col;
    }
    let start = head(line, col);
    start + cell_len(line, start) - 1
}

/// Screen columns of the character in a byte column: first and last. The end of line takes one.
pub(crate) fn columns(line: &str, col: usize) -> (usize, usize) {
    let (mut at, mut column) = (0, 0);
    loop {
        if at >= line.len() {
            return (column, column);
        }
        let len = cell_len(line, at);
        let width = width_at(char_at(line, at), column);
        if at + len > col {
            return (column, column + width - 1);
        }
        at += len;
        column += width;
    }
}

/// Screen cells of a whole line.
pub(crate) fn line_width(line: &str) -> usize {
    columns(line, COL_MAX).0
}

/// Byte columns of the blanks a line begins with.
pub(crate) fn indent_len(line: &str) -> usize {
    line.len() - line.trim_start_matches(is_white).len()
}

/// Screen columns of the blanks a line begins with.
pub(crate) fn indent_width(line: &str) -> usize {
    columns(line, indent_len(line)).0
}
