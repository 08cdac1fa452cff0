//! The message box: the editor of the `vim` room, and what a chat adds to it. Pure: keys in, text
//! out.

use std::ops::Range;

use proto::clean;
use vim::{Editor, Mode};

use crate::keys::Key;
use crate::limits::BOX_BYTES_MAX;
use crate::line_edit::boundary;

/// Blanks that Tab stands for: a tab character would be sent as blanks anyway.
const TAB_BLANKS: usize = 4;

/// What became of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pressed {
    Done,
    /// The editor could not do it, or does not know it.
    Refused,
    /// It means nothing in this mode.
    Unknown,
}

/// The text and the cursor are the editor's, as of the last key; the cursor is a byte offset on a
/// grapheme boundary.
#[derive(Debug, Clone)]
pub struct Composer {
    pub text: String,
    pub cursor: usize,
    pub mode: Mode,
    pub editor: Editor,
    /// The name that Tab has put there, and what was typed of it.
    completion: Option<Completion>,
}

#[derive(Debug, Clone)]
struct Completion {
    typed: String,
    shown: String,
}

/// Where `enter_insert` puts the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Cursor,
    AfterCursor,
    LineEnd,
    NewLine,
}

impl Default for Composer {
    fn default() -> Self {
        let mut editor = Editor::new("");
        editor.connect_clipboard();
        Self { text: String::new(), cursor: 0, mode: Mode::Normal, editor, completion: None }
    }
}

impl Composer {
    /// Another text, with the cursor behind it. A text is still being written after that if one was
    /// before; registers and macros stay.
    pub fn set_text(&mut self, text: &str) {
        let writing = self.is_inserting();
        self.editor.set_text(&clean::text(text));
        self.editor.set_cursor(usize::MAX, usize::MAX);
        if writing {
            self.editor.press_unrecorded(vim::Key::Char('A'));
        }
        self.look();
    }

    /// No text, and nothing begun; registers and macros stay.
    pub fn clear(&mut self) {
        self.editor.set_text("");
        self.look();
    }

    /// What is to be sent or kept: no control characters, also where CTRL-V has made some.
    pub fn cleaned(&self) -> String {
        clean::text(&self.text).into_owned()
    }

    pub fn enter_insert(&mut self, at: At) {
        if self.is_waiting() || self.is_inserting() || self.is_selecting() {
            self.editor.press_unrecorded(vim::Key::Esc);
        }
        let key = match at {
            At::NewLine if self.text.is_empty() => 'i',
            At::NewLine => 'o',
            At::Cursor => 'i',
            At::AfterCursor => 'a',
            At::LineEnd => 'A',
        };
        self.editor.press_unrecorded(vim::Key::Char(key));
        self.look();
    }

    /// Esc, pressed by the user.
    pub fn escape(&mut self) {
        self.editor.press(vim::Key::Esc);
        self.look();
    }

    /// The keys of an unfinished command: the next key belongs to it.
    pub fn is_waiting(&self) -> bool {
        !self.editor.pending().is_empty()
    }

    pub fn is_inserting(&self) -> bool {
        matches!(self.mode, Mode::Insert | Mode::Replace)
    }

    pub fn is_selecting(&self) -> bool {
        matches!(self.mode, Mode::Visual(_))
    }

    /// The unfinished command as it is shown: `2d`.
    pub fn pending(&self) -> String {
        let shown = self.editor.pending().iter().map(|key| match key {
            vim::Key::Char(' ') => "␣".to_string(),
            vim::Key::Char(c) => c.to_string(),
            vim::Key::Ctrl(c) => format!("^{}", c.to_ascii_uppercase()),
            other => format!("<{other:?}>"),
        });
        clean::line(&shown.collect::<String>()).into_owned()
    }

    /// The register whose text this key would put or insert, where there is none in it.
    pub fn empty_register(&self, key: Key) -> Option<char> {
        let name = match (self.editor.pending(), key) {
            ([.., vim::Key::Ctrl('r')], Key::Char(name)) => name,
            ([.., vim::Key::Char('"'), vim::Key::Char(name)], Key::Char('p' | 'P')) => *name,
            _ => return None,
        };
        let is_name = name.is_ascii_alphanumeric() || "\"-+*".contains(name);
        (is_name && self.editor.register(name).is_none()).then_some(name)
    }

    pub fn press(&mut self, key: Key) -> Pressed {
        self.completion = None;
        let Some(pressed) = self.editor_key(key) else {
            return Pressed::Unknown;
        };
        let beeps = self.editor.beeps();
        if key == Key::Tab && self.is_inserting() && !self.is_waiting() {
            for _ in 0..TAB_BLANKS {
                self.editor.press(vim::Key::Char(' '));
            }
        } else {
            self.editor.press(pressed);
        }
        self.look();
        match self.editor.beeps() > beeps {
            true => Pressed::Refused,
            false => Pressed::Done,
        }
    }

    fn editor_key(&self, key: Key) -> Option<vim::Key> {
        let known =
            |c: char| self.is_waiting() || !self.is_inserting() || "wuhrotdeyavq".contains(c);
        Some(match key {
            Key::Char(c) => vim::Key::Char(c),
            Key::Ctrl('c') | Key::Esc => vim::Key::Esc,
            Key::NewLine | Key::Ctrl('j') | Key::Enter => vim::Key::Enter,
            Key::Ctrl(c) if known(c) => vim::Key::Ctrl(c),
            Key::Tab => vim::Key::Tab,
            Key::Backspace => vim::Key::Backspace,
            Key::Delete => vim::Key::Delete,
            Key::Left => vim::Key::Left,
            Key::Right => vim::Key::Right,
            Key::Up => vim::Key::Up,
            Key::Down => vim::Key::Down,
            Key::Home => vim::Key::Home,
            Key::End => vim::Key::End,
            Key::Ctrl(_) | Key::BackTab | Key::PageUp | Key::PageDown | Key::F(_) | Key::Any => {
                return None;
            }
        })
    }

    /// One block at the cursor, whatever the mode: never keys. false: it was too much, and was cut.
    pub fn paste(&mut self, text: &str) -> bool {
        let text = clean::text(text);
        let room = BOX_BYTES_MAX.saturating_sub(self.text.len());
        self.editor.paste(&text[..text.floor_char_boundary(room.min(text.len()))]);
        self.look();
        text.len() <= room
    }

    /// What Tab completes at the cursor: what was typed of a name behind `@`, or of an emoji from
    /// its `:` on; after Tab, what was typed before it.
    pub fn begun(&self) -> Option<&str> {
        if let Some(completion) = &self.completion {
            return Some(&completion.typed);
        }
        let before = &self.text[..self.cursor];
        let at = before.rfind(['@', ':'])?;
        let stands_alone = before[..at].chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let name = &before[at + 1..];
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
        if !stands_alone || !name.chars().all(fits) {
            return None;
        }
        match before[at..].starts_with('@') {
            true => Some(name),
            false if name.is_empty() => None,
            false => Some(&before[at..]),
        }
    }

    /// What Tab shows now: the next of the names, or the first.
    pub fn complete(&mut self, names: &[String]) {
        let Some(typed) = self.begun().map(str::to_string) else {
            return;
        };
        let shown = match &self.completion {
            Some(completion) => completion.shown.clone(),
            None => typed.clone(),
        };
        let after = names.iter().position(|name| *name == shown).map_or(0, |at| at + 1);
        let Some(next) = names.get(after).or(names.first()) else {
            return;
        };
        // as if typed, so that `u`, `.` and a macro see text and not a trick
        for _ in 0..shown.chars().count() {
            self.editor.press(vim::Key::Backspace);
        }
        for c in next.chars() {
            self.editor.press(vim::Key::Char(c));
        }
        self.look();
        self.completion = Some(Completion { typed, shown: next.clone() });
    }

    /// What is selected, as bytes of the text: a range for each line.
    pub fn selected(&self) -> Vec<Range<usize>> {
        self.editor.selected()
    }

    fn look(&mut self) {
        self.text = self.editor.text();
        self.cursor = boundary(&self.text, self.editor.cursor_offset());
        self.mode = self.editor.mode();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;

    fn typed(notation: &str) -> Composer {
        let mut composer = Composer::default();
        for key in keys::parse(notation) {
            composer.press(key);
        }
        composer
    }

    #[test]
    fn the_box_edits_as_vim_does() {
        for (keys, text) in [
            ("ihello<Esc>x", "hell"),
            ("ihello world<C-w>", "hello "),
            ("ione<C-j>two<Esc>dd", "one"),
            ("ione<C-j>two<Esc>kdd", "two"),
            ("ione two<Esc>bix", "one xtwo"),
            ("iab<Left>x<Home>y<End>z", "yaxbz"),
            ("i日本<Esc>x", "日"),
            ("ione (two) three<Esc>FtF(ci(2<Esc>", "one (2) three"),
            ("ione two<Esc>bdwu", "one two"),
            ("ia<Esc>qqab<Esc>q3@q", "abbbb"),
            ("ia b c<Esc>0dw.", "c"),
            ("ia<Tab>b", "a    b"),
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

    #[test]
    fn a_control_character_typed_literally_is_not_sent() {
        let composer = typed("i<C-v><Esc>[31m");
        assert_eq!(composer.cleaned(), "␛[31m");
    }

    #[test]
    fn what_is_sent_while_recording_does_not_get_into_the_macro() {
        let mut composer = typed("qaihello");
        composer.set_text("");
        for key in keys::parse("x<Esc>q") {
            composer.press(key);
        }
        assert_eq!(composer.editor.register('a').as_deref(), Some("ihellox\u{1b}"));
    }

    #[test]
    fn a_selection_is_known_line_by_line() {
        assert_eq!(typed("iabc<C-j>def<Esc>v").selected().first(), Some(&(6..7)));
        assert_eq!(typed("iabc<C-j>def<Esc>kvj").selected(), [2..3, 4..7]);
        assert_eq!(typed("iabc<C-j><C-j>def<Esc>Vgg").selected(), [0..3, 4..4, 5..8]);
        assert_eq!(typed("iabc<C-j>d日f<Esc>gg0l<C-v>j").selected(), [1..3, 5..8]);
    }
}
