//! Joining lines: `J`, `gJ`, and deleting a line break.

use crate::chars::is_white;
use crate::editor::Editor;
use crate::text::Pos;
use crate::undo;

#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// Put a space between lines where one belongs.
    pub(crate) spaces: bool,
    /// Save the lines for undo first.
    pub(crate) save: bool,
    /// Set the marks `'[` and `']`.
    pub(crate) marks: bool,
}

/// Join `count` lines from the cursor on; `false`: there are not so many.
pub(crate) fn run(ed: &mut Editor, count: usize, how: How) -> bool {
    let first = ed.cursor.row;
    if first + count > ed.lines.count() {
        return false;
    }
    if how.save {
        undo::save(ed, first, first + count);
    }
    let mut text = ed.lines.get(first).to_owned();
    let first_len = text.len();
    let mut col = 0;
    // How the marks of each line move: its start in the new line, and the blanks cut there.
    let mut moves = vec![(0, 0)];
    for i in 1..count {
        let line = ed.lines.get(first + i);
        let kept = if how.spaces { line.trim_start_matches(is_white) } else { line };
        let space = how.spaces && wants_space(&text, ed.lines.get(first + i - 1), i == 1, kept);
        col = text.len();
        if space {
            text.push(' ');
        }
        let cut = (line.len() - kept.len()).cast_signed() - isize::from(space);
        moves.push((col, cut));
        text.push_str(kept);
    }
    for (i, &(start, cut)) in moves.iter().enumerate().rev() {
        ed.marks.join_row(first + i, i, start, cut);
    }
    if how.marks {
        ed.marks.op_start = Some(Pos { row: first, col: first_len });
        ed.marks.op_end = Some(Pos { row: first, col: text.len() });
    }
    ed.lines.replace(first, text);
    ed.delete_rows(first + 1, count - 1);
    ed.cursor = Pos { row: first, col };
    ed.check_cursor_col();
    ed.want_stale = true;
    true
}

/// No space at a line's start, before `)`, behind a tab, or behind a space.
fn wants_space(text: &str, previous: &str, previous_is_first: bool, kept: &str) -> bool {
    if text.is_empty() || kept.is_empty() || kept.starts_with(')') {
        return false;
    }
    // Only the line right before counts: an empty one has no last character.
    let own = if previous_is_first { previous } else { previous.trim_start_matches(is_white) };
    !own.ends_with(['\t', ' '])
}
