//! Registers: what was yanked, deleted or recorded.

use crate::limits::REGISTER_BYTES_MAX;

/// How a register's text goes into the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Chars,
    Lines,
    /// A block; its width less one, in screen columns.
    Block {
        width: usize,
    },
}

/// The text of one register. An empty `lines` means: nothing was ever put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Register {
    pub(crate) lines: Vec<String>,
    pub(crate) shape: Shape,
    /// Text that came from outside: `@` refuses to press it as keys.
    pub(crate) foreign: bool,
}

impl Register {
    pub(crate) const EMPTY: Register =
        Register { lines: Vec::new(), shape: Shape::Chars, foreign: false };

    pub(crate) fn bytes(&self) -> usize {
        self.lines.iter().map(|line| line.len() + 1).sum()
    }

    /// The text with its line breaks, as a clipboard has it.
    pub(crate) fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        if self.shape == Shape::Lines {
            text.push('\n');
        }
        text
    }

    pub(crate) fn of_text(text: &str) -> Register {
        let lines_only = text.strip_suffix('\n');
        let shape = if lines_only.is_some() { Shape::Lines } else { Shape::Chars };
        let lines = lines_only.unwrap_or(text).split('\n').map(str::to_owned).collect();
        Register { lines, shape, foreign: true }
    }
}

const SMALL_DELETE: usize = 36;
const CLIPBOARD: usize = 37;
const COUNT: usize = 38;

/// All registers: `0`-`9`, `a`-`z`, `-` and the clipboard.
#[derive(Debug, Clone)]
pub(crate) struct Registers {
    all: Vec<Register>,
    /// The one that was written last, which `""` names.
    previous: Option<usize>,
    /// `"+` is a register of its own. Else naming it is naming none, as in a Vim without clipboard.
    pub(crate) has_clipboard: bool,
    /// Text written to `"+` and not yet taken by the front end.
    pub(crate) clipboard_out: Option<String>,
}

impl Default for Registers {
    fn default() -> Registers {
        Registers {
            all: vec![Register::EMPTY; COUNT],
            previous: None,
            has_clipboard: false,
            clipboard_out: None,
        }
    }
}

/// May this be named with `"`?
pub(crate) fn is_register(name: char) -> bool {
    name.is_ascii_alphanumeric() || "\"-_*+./%:#".contains(name)
}

/// May this be written to?
pub(crate) fn is_writable(name: char) -> bool {
    name.is_ascii_alphanumeric() || "\"-_*+#".contains(name)
}

impl Registers {
    fn index(&self, name: char) -> usize {
        match name {
            '0'..='9' => name as usize - '0' as usize,
            'a'..='z' => name as usize - 'a' as usize + 10,
            'A'..='Z' => name as usize - 'A' as usize + 10,
            '-' => SMALL_DELETE,
            '+' | '*' if self.has_clipboard => CLIPBOARD,
            _ => 0,
        }
    }

    /// Without a clipboard `"+` and `"*` name no register.
    pub(crate) fn known(&self, name: Option<char>) -> Option<char> {
        name.filter(|&name| self.has_clipboard || !"+*".contains(name))
    }

    /// What `p` puts: with no name, or `"`, the register written last.
    pub(crate) fn read(&self, name: Option<char>) -> &Register {
        match (name, self.previous) {
            (None | Some('"'), Some(previous)) => &self.all[previous],
            (name, _) => &self.all[self.index(name.unwrap_or('0'))],
        }
    }

    /// Put text into a register; a capital appends. `false`: it would grow too large.
    pub(crate) fn write(&mut self, name: Option<char>, text: Register) -> bool {
        let name = name.filter(|&name| name != '"');
        let index = self.index(name.unwrap_or('0'));
        self.previous = Some(index);
        let appends = name.is_some_and(|name| name.is_ascii_uppercase());
        let old = &mut self.all[index];
        if appends && !old.lines.is_empty() {
            if old.bytes() + text.bytes() > REGISTER_BYTES_MAX {
                return false;
            }
            append(old, text);
        } else {
            *old = text;
        }
        if matches!(name, Some('+' | '*')) {
            self.clipboard_out = Some(self.all[index].text());
        }
        true
    }

    /// Make way in the numbered registers, and put deleted text into `1`.
    pub(crate) fn push_deleted(&mut self, text: Register, becomes_previous: bool) {
        self.all[1..=9].rotate_right(1);
        self.all[1] = text;
        if becomes_previous {
            self.previous = Some(1);
        }
    }

    /// A recorded macro: it does not become the register that `p` puts.
    pub(crate) fn record(&mut self, name: char, keys: String) {
        let index = self.index(name);
        let old = &mut self.all[index];
        match old.lines.last_mut().filter(|_| name.is_ascii_uppercase()) {
            Some(last) if last.len() + keys.len() <= REGISTER_BYTES_MAX => last.push_str(&keys),
            Some(_) => {}
            None => {
                *old = Register { lines: vec![keys], shape: Shape::Chars, foreign: false };
            }
        }
    }

    /// Text from outside; `yanked`: by a yank of there, so `""` names it from now on.
    pub(crate) fn set_foreign(&mut self, name: char, text: &str, yanked: bool) {
        let index = self.index(name);
        self.all[index] = Register::of_text(text);
        if yanked {
            self.previous = Some(index);
        }
    }

    /// Put a register back as it was, when a put replaces the text it was taken from.
    pub(crate) fn restore(&mut self, name: Option<char>, register: Register) {
        let index = match (name, self.previous) {
            (None | Some('"'), Some(previous)) => previous,
            (name, _) => self.index(name.unwrap_or('0')),
        };
        self.all[index] = register;
    }
}

fn append(old: &mut Register, text: Register) {
    let foreign = old.foreign || text.foreign;
    if text.shape == Shape::Lines {
        old.shape = Shape::Lines;
    }
    let mut lines = text.lines.into_iter();
    if old.shape == Shape::Chars
        && let (Some(last), Some(first)) = (old.lines.last_mut(), lines.next())
    {
        last.push_str(&first);
    }
    old.lines.extend(lines);
    old.foreign = foreign;
}
