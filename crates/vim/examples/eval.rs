//! Reads cases `text⏐row,col⏐keys`, one a line, and writes each with what the editor makes of it:
//! `text⏐row,col⏐keys⏐row,col⏐text`. `⏎` is a newline in a text. A final Esc is pressed, and each
//! line begins afresh.

use std::io::{self, BufRead, Write};
use vim::{Editor, Key, Mode, keys_from_notation};

fn main() -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match evaluated(&line) {
            Some((cursor, text)) => writeln!(out, "{line}⏐{cursor}⏐{text}")?,
            None => writeln!(out, "{line}⏐ERR⏐")?,
        }
    }
    out.flush()
}

fn evaluated(case: &str) -> Option<(String, String)> {
    let mut parts = case.splitn(3, '⏐');
    let (text, place, keys) = (parts.next()?, parts.next()?, parts.next()?);
    let (row, col) = place.split_once(',')?;
    let mut editor = Editor::new(&text.replace('⏎', "\n"));
    editor.set_cursor(row.trim().parse().ok()?, col.trim().parse().ok()?);
    for key in keys_from_notation(keys) {
        editor.press(key);
    }
    finish(&mut editor);
    editor.press(Key::Esc);
    finish(&mut editor);
    let (row, col) = editor.cursor();
    Some((format!("{row},{col}"), editor.text().replace(['\n', '\r'], "⏎")))
}

/// Vim, out of keys, presses Esc until no command and no insert is unfinished.
fn finish(editor: &mut Editor) {
    while !editor.pending().is_empty() || matches!(editor.mode(), Mode::Insert | Mode::Replace) {
        editor.press(Key::Esc);
    }
}
