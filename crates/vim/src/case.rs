//! Cases for holding the editor against the real Vim: `text⏐row,col⏐keys`, with `⏎` for a newline
//! in the text. A case begins afresh, and ends like a script that runs out of keys: what is
//! unfinished is left with Esc.

use crate::editor::Editor;
use crate::key::{Key, keys_from_notation};
use crate::surface::Mode;

/// A line of a file of cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    pub text: String,
    pub row: usize,
    pub col: usize,
    pub keys: String,
}

/// What was left when the keys were pressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub row: usize,
    pub col: usize,
    pub text: String,
}

impl Case {
    /// Read `text⏐row,col⏐keys`.
    pub fn parse(line: &str) -> Option<Case> {
        let mut parts = line.splitn(3, '⏐');
        let (text, place, keys) = (parts.next()?, parts.next()?, parts.next()?);
        let (row, col) = place.split_once(',')?;
        Some(Case {
            text: text.replace('⏎', "\n"),
            row: row.trim().parse().ok()?,
            col: col.trim().parse().ok()?,
            keys: keys.to_owned(),
        })
    }

    /// Press the keys in a fresh editor.
    pub fn run(&self) -> Outcome {
        let mut editor = Editor::new(&self.text);
        editor.set_cursor(self.row, self.col);
        for key in keys_from_notation(&self.keys) {
            editor.press(key);
        }
        leave_unfinished(&mut editor);
        editor.press(Key::Esc);
        leave_unfinished(&mut editor);
        let (row, col) = editor.cursor();
        Outcome { row, col, text: editor.text() }
    }
}

impl Outcome {
    /// `row,col⏐text`. A bare carriage return counts as a line break there.
    pub fn written(&self) -> String {
        format!("{},{}⏐{}", self.row, self.col, self.text.replace(['\n', '\r'], "⏎"))
    }
}

/// Vim, out of keys, presses Esc until no command and no insert is unfinished.
fn leave_unfinished(editor: &mut Editor) {
    while !editor.pending().is_empty() || matches!(editor.mode(), Mode::Insert | Mode::Replace) {
        editor.press(Key::Esc);
    }
}
