//! One line of text with a cursor: the finder, the command line, the reaction box.

use proto::clean;
use unicode_segmentation::UnicodeSegmentation;

use crate::keys::Key;
use crate::limits::LINE_BYTES_MAX;

/// The cursor is a byte offset on a grapheme boundary of the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineEdit {
    pub text: String,
    pub cursor: usize,
}

impl LineEdit {
    /// The text with the cursor behind it.
    pub fn with(text: &str) -> Self {
        Self { text: text.to_string(), cursor: text.len() }
    }

    /// Does what the key means in a line. False: it means nothing here.
    pub fn press(&mut self, key: Key) -> bool {
        match key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Backspace => self.delete_from(self.before()),
            Key::Delete => {
                let end = self.after();
                self.text.replace_range(self.cursor..end, "");
            }
            Key::Left | Key::Ctrl('b') => self.cursor = self.before(),
            Key::Right | Key::Ctrl('f') => self.cursor = self.after(),
            Key::Home | Key::Ctrl('a') => self.cursor = 0,
            Key::End | Key::Ctrl('e') => self.cursor = self.text.len(),
            Key::Ctrl('u') => self.delete_from(0),
            Key::Ctrl('w') => self.delete_from(word_before(&self.text, self.cursor)),
            _ => return false,
        }
        true
    }

    /// Puts a text of one line at the cursor; too much is not taken.
    pub fn insert(&mut self, text: &str) {
        let text = clean::line(text);
        if self.text.len() + text.len() <= LINE_BYTES_MAX {
            self.text.insert_str(self.cursor, &text);
            self.cursor = boundary(&self.text, self.cursor + text.len());
        }
    }

    fn delete_from(&mut self, start: usize) {
        self.text.replace_range(start..self.cursor, "");
        self.cursor = boundary(&self.text, start);
    }

    fn before(&self) -> usize {
        grapheme_before(&self.text, self.cursor)
    }

    fn after(&self) -> usize {
        grapheme_after(&self.text, self.cursor)
    }
}

/// The beginning of the grapheme that ends at `cursor`.
pub fn grapheme_before(text: &str, cursor: usize) -> usize {
    text[..cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
}

/// The end of the grapheme that begins at `cursor`.
pub fn grapheme_after(text: &str, cursor: usize) -> usize {
    cursor + text[cursor..].graphemes(true).next().map_or(0, str::len)
}

/// The beginning of the word before `cursor`, as `^W` deletes it: blanks, then one run of equal
/// kind.
pub fn word_before(text: &str, cursor: usize) -> usize {
    let head = text[..cursor].trim_end_matches([' ', '\t']);
    let Some(last) = head.chars().next_back() else {
        return 0;
    };
    if last == '\n' {
        return if head.len() < cursor { head.len() } else { head.len() - 1 };
    }
    let kind = is_word(last);
    let same = |c: char| c != '\n' && !c.is_whitespace() && is_word(c) == kind;
    boundary(text, head.trim_end_matches(same).len())
}

/// Letters, digits and `_` make words; the rest makes runs of its own.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// `at`, moved back to the beginning of the grapheme it is in: an insertion may have joined two.
pub fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    let starts = text.grapheme_indices(true).map(|(start, _)| start);
    starts.take_while(|start| *start <= at).last().map_or(0, |start| match at == text.len() {
        true => at,
        false => start,
    })
}
