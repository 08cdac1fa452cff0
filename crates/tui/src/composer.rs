//! The message box: a text of several lines, edited in two modes as in vim. Pure: keys in, text
//! out.
//!
//! The screen uses no more of it than `press`, `paste`, `set_text`, `enter_insert`, `enter_normal`
//! and the three fields, so that a fuller editor can stand here without any other file noticing.

use proto::clean;

use crate::keys::Key;
use crate::limits::BOX_BYTES_MAX;
use crate::line_edit::{boundary, grapheme_after, grapheme_before, is_word, word_before};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    Insert,
    #[default]
    Normal,
}

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressed {
    Done,
    /// It began something: more keys must follow.
    Waiting,
    /// It means nothing in this mode.
    Unknown,
}

/// The cursor is a byte offset on a grapheme boundary. In normal mode it stands on a character, not
/// behind the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Composer {
    pub text: String,
    pub cursor: usize,
    pub mode: Mode,
    pending: Option<char>,
}

/// Where `enter_insert` puts the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Cursor,
    AfterCursor,
    LineEnd,
    NewLine,
}

impl Composer {
    /// Another text, with the cursor behind it; the mode stays.
    pub fn set_text(&mut self, text: &str) {
        self.text = clean::text(text).into_owned();
        self.cursor = self.text.len();
        self.pending = None;
        self.settle();
    }

    pub fn enter_insert(&mut self, at: At) {
        self.mode = Mode::Insert;
        self.pending = None;
        match at {
            At::Cursor => {}
            At::AfterCursor => {
                self.cursor = grapheme_after(&self.text, self.cursor).min(self.line_end());
            }
            At::LineEnd => self.cursor = self.line_end(),
            At::NewLine => {
                self.cursor = self.line_end();
                if !self.text.is_empty() {
                    self.insert("\n");
                }
            }
        }
    }

    /// Back to normal mode; the cursor steps left as in vim. An unfinished command is dropped
    /// first.
    pub fn enter_normal(&mut self) {
        if self.mode == Mode::Insert && self.cursor > self.line_start() {
            self.cursor = grapheme_before(&self.text, self.cursor);
        }
        self.mode = Mode::Normal;
        self.pending = None;
        self.settle();
    }

    /// True: Esc would drop an unfinished command rather than leave.
    pub fn is_waiting(&self) -> bool {
        self.pending.is_some()
    }

    pub fn press(&mut self, key: Key) -> Pressed {
        match self.mode {
            Mode::Insert => self.press_insert(key),
            Mode::Normal => self.press_normal(key),
        }
    }

    /// One block at the cursor, whatever the mode: never keys. Too much is cut.
    pub fn paste(&mut self, text: &str) {
        self.insert(text);
        self.settle();
    }

    fn press_insert(&mut self, key: Key) -> Pressed {
        match key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::NewLine | Key::Ctrl('j') => self.insert("\n"),
            Key::Tab => self.insert("    "),
            Key::Backspace => self.delete(grapheme_before(&self.text, self.cursor), self.cursor),
            Key::Delete => self.delete(self.cursor, grapheme_after(&self.text, self.cursor)),
            Key::Ctrl('w') => self.delete(word_before(&self.text, self.cursor), self.cursor),
            Key::Ctrl('u') => self.delete(self.line_start(), self.cursor),
            Key::Left => self.cursor = grapheme_before(&self.text, self.cursor),
            Key::Right => self.cursor = grapheme_after(&self.text, self.cursor),
            Key::Up => self.line_up(),
            Key::Down => self.line_down(),
            Key::Home => self.cursor = self.line_start(),
            Key::End => self.cursor = self.line_end(),
            _ => return Pressed::Unknown,
        }
        Pressed::Done
    }

    fn press_normal(&mut self, key: Key) -> Pressed {
        if let Some(first) = self.pending.take() {
            if first == 'd' && key == Key::Char('d') {
                self.delete_line();
                return Pressed::Done;
            }
            return Pressed::Unknown;
        }
        match key {
            Key::Char('i') => self.enter_insert(At::Cursor),
            Key::Char('a') => self.enter_insert(At::AfterCursor),
            Key::Char('A') => self.enter_insert(At::LineEnd),
            Key::Char('o') => self.enter_insert(At::NewLine),
            Key::Char('h') | Key::Left | Key::Backspace => {
                self.cursor = grapheme_before(&self.text, self.cursor).max(self.line_start());
            }
            Key::Char('l') | Key::Right => {
                self.cursor = grapheme_after(&self.text, self.cursor).min(self.line_end());
            }
            Key::Char('j') | Key::Down => self.line_down(),
            Key::Char('k') | Key::Up => self.line_up(),
            Key::Char('0') | Key::Home => self.cursor = self.line_start(),
            Key::Char('$') | Key::End => self.cursor = self.line_end(),
            Key::Char('w') => self.cursor = next_word(&self.text, self.cursor),
            Key::Char('b') => self.cursor = word_before(&self.text, self.cursor),
            Key::Char('x') | Key::Delete => {
                let end = grapheme_after(&self.text, self.cursor).min(self.line_end());
                self.delete(self.cursor, end);
            }
            Key::Char('d') => {
                self.pending = Some('d');
                return Pressed::Waiting;
            }
            _ => return Pressed::Unknown,
        }
        self.settle();
        Pressed::Done
    }

    fn insert(&mut self, text: &str) {
        let text = clean::text(text);
        let mut room = BOX_BYTES_MAX
            .saturating_sub(self.text.len())
            .min(text.len());
        while !text.is_char_boundary(room) {
            room -= 1;
        }
        self.text.insert_str(self.cursor, &text[..room]);
        self.cursor = boundary(&self.text, self.cursor + room);
    }

    fn delete(&mut self, start: usize, end: usize) {
        if start < end {
            self.text.replace_range(start..end, "");
        }
        self.cursor = boundary(&self.text, start);
    }

    fn delete_line(&mut self) {
        let (start, end) = (self.line_start(), self.line_end());
        match (end < self.text.len(), start > 0) {
            (true, _) => self.text.replace_range(start..=end, ""),
            (false, true) => self.text.replace_range(start - 1..end, ""),
            (false, false) => self.text.clear(),
        }
        self.cursor = start.min(self.text.len());
        self.cursor = self.line_start();
    }

    fn line_start(&self) -> usize {
        self.text[..self.cursor].rfind('\n').map_or(0, |at| at + 1)
    }

    fn line_end(&self) -> usize {
        self.text[self.cursor..]
            .find('\n')
            .map_or(self.text.len(), |at| self.cursor + at)
    }

    fn line_up(&mut self) {
        let start = self.line_start();
        if start > 0 {
            let column = self.cursor - start;
            self.cursor = start - 1;
            let above = self.line_start();
            self.cursor = boundary(&self.text, (above + column).min(start - 1));
        }
    }

    fn line_down(&mut self) {
        let column = self.cursor - self.line_start();
        let end = self.line_end();
        if end < self.text.len() {
            self.cursor = end + 1;
            self.cursor = boundary(&self.text, (end + 1 + column).min(self.line_end()));
        }
    }

    /// In normal mode the cursor stands on a character, except on an empty line.
    fn settle(&mut self) {
        if self.mode == Mode::Normal
            && self.cursor == self.line_end()
            && self.cursor > self.line_start()
        {
            self.cursor = grapheme_before(&self.text, self.cursor);
        }
    }
}

/// The beginning of the word after the one at `cursor`; the end of the text where there is none.
fn next_word(text: &str, cursor: usize) -> usize {
    let mut chars = text[cursor..].char_indices();
    let Some((_, first)) = chars.next() else {
        return cursor;
    };
    let mut in_word = !first.is_whitespace();
    for (at, c) in chars {
        in_word &= !c.is_whitespace() && is_word(c) == is_word(first);
        if !in_word && !c.is_whitespace() {
            return boundary(text, cursor + at);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;

    fn typed(notation: &str) -> Composer {
        let mut composer = Composer::default();
        for key in keys::parse(notation) {
            match key {
                Key::Esc => composer.enter_normal(),
                other => {
                    composer.press(other);
                }
            }
        }
        composer
    }

    #[test]
    fn the_box_edits_as_vim_does() {
        for (keys, text) in [
            ("ihello<Esc>x", "hell"),
            ("ihello world<C-w>", "hello "),
            ("ione two<Esc>0wx", "one wo"),
            ("ione<C-j>two<Esc>dd", "one"),
            ("ione<C-j>two<Esc>kdd", "two"),
            ("ione<Esc>dd", ""),
            ("ione<C-j>two<C-u>2", "one\n2"),
            ("ione two<Esc>bix", "one xtwo"),
            ("iab<Esc>hAc<Esc>od", "abc\nd"),
            ("iab<Left>x<Home>y<End>z", "yaxbz"),
            ("i日本<Esc>x", "日"),
            ("iab<BS><BS><BS>", ""),
            ("ia<Esc>dxx", ""),
        ] {
            assert_eq!(typed(keys).text, text, "{keys}");
        }
    }

    #[test]
    fn the_cursor_of_normal_mode_stands_on_a_character() {
        assert_eq!(typed("iabc<Esc>").cursor, 2);
        assert_eq!(typed("iabc<Esc>$l").cursor, 2);
        assert_eq!(typed("iabc<Esc>hhhh").cursor, 0);
        assert_eq!(typed("iabc<C-j>d<Esc>k").cursor, 0);
    }

    #[test]
    fn pasted_escapes_do_no_harm() {
        let mut composer = typed("i");
        composer.paste("a\u{1b}[31mb\r\nc");
        assert_eq!(composer.text, "a␛[31mb\nc");
    }
}
