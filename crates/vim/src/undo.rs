//! Undo as Vim does it: each change remembers the rows it touched, and where the cursor was.

use crate::editor::Editor;
use crate::limits::{UNDO_BYTES_MAX, UNDO_STEPS_MAX};
use crate::motion::{Start, line_start};
use crate::text::Pos;
use crate::visual::LastVisual;

/// Saved entries that are looked through for the same line, so that typing saves it once.
const ENTRIES_COMPARED: usize = 10;

/// The steps that can be undone, and those that can be done again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Undo {
    steps: Vec<UndoStep>,
    /// How many of the steps are done; those behind can be redone.
    done: usize,
    /// The next change begins a step of its own.
    pub(crate) synced: bool,
    bytes: usize,
    /// The row changed last as it was before, and the cursor's column then, for `U`.
    row_before: Option<(Pos, String)>,
}

#[derive(Debug, Clone)]
struct UndoStep {
    /// Oldest first; undone from the end.
    entries: Vec<Entry>,
    /// The last entry still waits to learn how many rows the change left.
    open: bool,
    cursor: Pos,
    named: [Option<Pos>; 26],
    visual: LastVisual,
    was_none: bool,
}

/// Rows `top..` of the text before the change, and where they ended after it.
#[derive(Debug, Clone)]
struct Entry {
    top: usize,
    /// First row behind the changed ones; `None`: the change reaches the end of the text.
    bottom: Option<usize>,
    lines_before: usize,
    lines: Vec<String>,
}

impl Undo {
    pub(crate) fn new() -> Undo {
        Undo { synced: true, ..Undo::default() }
    }

    /// The change that is being made is complete; the next one can be undone apart from it.
    pub(crate) fn sync(&mut self, line_count: usize) {
        if !self.synced {
            self.close(line_count);
            self.synced = true;
        }
    }

    fn close(&mut self, line_count: usize) {
        let Some(step) = self.steps.last_mut().filter(|step| step.open) else {
            return;
        };
        step.open = false;
        if let Some(entry) = step.entries.last_mut() {
            let bottom = entry.top + entry.lines.len() + line_count;
            entry.bottom = Some(bottom.saturating_sub(entry.lines_before));
        }
    }

    fn forget_oldest(&mut self) {
        while self.steps.len() > 1
            && (self.steps.len() > UNDO_STEPS_MAX || self.bytes > UNDO_BYTES_MAX)
        {
            let gone = self.steps.remove(0);
            self.bytes = self.bytes.saturating_sub(step_bytes(&gone));
            self.done = self.done.saturating_sub(1);
        }
    }
}

fn step_bytes(step: &UndoStep) -> usize {
    step.entries.iter().flat_map(|entry| &entry.lines).map(String::len).sum()
}

/// Save rows `first..end` before they are changed.
pub(crate) fn save(ed: &mut Editor, first: usize, end: usize) {
    if first + 1 == end && end <= ed.lines.count() {
        remember_row(ed, first);
    }
    save_rows(ed, first, end, None);
}

fn remember_row(ed: &mut Editor, row: usize) {
    if ed.undo.row_before.as_ref().is_some_and(|(pos, _)| pos.row == row) {
        return;
    }
    let col = if ed.cursor.row == row { ed.cursor.col } else { 0 };
    ed.undo.row_before = Some((Pos { row, col }, ed.lines.get(row).to_owned()));
}

/// Rows came or went: `U` has nothing to go back to.
pub(crate) fn forget_row(ed: &mut Editor) {
    ed.undo.row_before = None;
}

/// `U`: the row changed last as it was; itself a change.
pub(crate) fn undo_row(ed: &mut Editor) -> bool {
    let Some((pos, old)) = ed.undo.row_before.take() else {
        return false;
    };
    if pos.row > ed.lines.last() {
        return false;
    }
    save_rows(ed, pos.row, pos.row + 1, None);
    let new = ed.lines.get(pos.row).to_owned();
    ed.lines.replace(pos.row, old);
    let col = if ed.cursor.row == pos.row { ed.cursor.col } else { pos.col };
    ed.undo.row_before = Some((Pos { col, ..pos }, new));
    ed.cursor = pos;
    ed.check_cursor_col();
    ed.want_stale = true;
    true
}

pub(crate) fn save_cursor_row(ed: &mut Editor) {
    save(ed, ed.cursor.row, ed.cursor.row + 1);
}

/// Save rows that are about to be deleted.
pub(crate) fn save_deleted(ed: &mut Editor, first: usize, count: usize) {
    let all = count == ed.lines.count();
    save_rows(ed, first, first + count, Some(if all { 1 } else { first }));
}

fn save_rows(ed: &mut Editor, first: usize, end: usize, bottom: Option<usize>) {
    let line_count = ed.lines.count();
    let end = end.min(line_count);
    if first > end {
        return;
    }
    if ed.undo.synced {
        begin_step(ed);
    } else {
        if end - first == 1 && saved_already(&mut ed.undo, first, end, bottom, line_count) {
            return;
        }
        ed.undo.close(line_count);
    }
    let lines: Vec<String> = (first..end).map(|row| ed.lines.get(row).to_owned()).collect();
    ed.undo.bytes += lines.iter().map(String::len).sum::<usize>();
    let Some(step) = ed.undo.steps.last_mut() else {
        return;
    };
    step.open = bottom.is_none() && end < line_count;
    step.entries.push(Entry { top: first, bottom, lines_before: line_count, lines });
    ed.undo.synced = false;
}

fn begin_step(ed: &mut Editor) {
    let undo = &mut ed.undo;
    let redoable: usize = undo.steps.drain(undo.done..).map(|step| step_bytes(&step)).sum();
    undo.bytes = undo.bytes.saturating_sub(redoable);
    undo.steps.push(UndoStep {
        entries: Vec::new(),
        open: false,
        cursor: ed.cursor,
        named: ed.marks.named,
        visual: ed.marks.visual.clone(),
        was_none: ed.lines.none,
    });
    undo.done = undo.steps.len();
    undo.forget_oldest();
}

/// The same single row was saved lately and no rows came or went since: it need not be again.
fn saved_already(
    undo: &mut Undo,
    row: usize,
    end: usize,
    bottom: Option<usize>,
    line_count: usize,
) -> bool {
    let Some(step) = undo.steps.last() else {
        return false;
    };
    let mut found = None;
    for (age, entry) in step.entries.iter().rev().take(ENTRIES_COMPARED).enumerate() {
        let size = entry.lines.len();
        let rows_changed = if step.open && age == 0 {
            entry.lines_before != line_count
        } else {
            entry.top + size != entry.bottom.unwrap_or(line_count)
        };
        let inside_longer = size > 1 && row >= entry.top && row < entry.top + size;
        if rows_changed || inside_longer {
            break;
        }
        if size == 1 && entry.top == row {
            found = Some(age);
            break;
        }
    }
    let Some(age) = found else { return false };
    if age > 0 {
        undo.close(line_count);
    }
    let Some(step) = undo.steps.last_mut() else {
        return false;
    };
    let index = step.entries.len() - 1 - age;
    let mut entry = step.entries.remove(index);
    if bottom.is_some() {
        entry.bottom = bottom;
    } else if end >= line_count {
        entry.bottom = None;
    } else {
        entry.lines_before = line_count;
        step.open = true;
    }
    step.entries.push(entry);
    undo.synced = false;
    true
}

/// `u`
pub(crate) fn undo(ed: &mut Editor, count: usize) {
    let mut count = count;
    if !ed.undo.synced {
        ed.undo.sync(ed.lines.count());
        count = 1;
    }
    for _ in 0..count {
        if ed.undo.done == 0 {
            ed.beep();
            return;
        }
        ed.undo.done -= 1;
        let index = ed.undo.done;
        exchange(ed, index);
    }
}

/// CTRL-R
pub(crate) fn redo(ed: &mut Editor, count: usize) {
    for _ in 0..count {
        // An unfinished step leaves nothing to redo.
        if !ed.undo.synced || ed.undo.done >= ed.undo.steps.len() {
            ed.beep();
            return;
        }
        let index = ed.undo.done;
        ed.undo.done += 1;
        exchange(ed, index);
    }
}

/// Swap the saved rows of a step with those in the text: the same for undo and redo.
fn exchange(ed: &mut Editor, index: usize) {
    ed.set_jump_mark();
    let named = ed.marks.named;
    let visual = ed.marks.visual.clone();
    let was_none = ed.lines.none;
    let mut entries = std::mem::take(&mut ed.undo.steps[index].entries);
    let step_cursor = ed.undo.steps[index].cursor;
    let mut cursor = ed.cursor;
    let mut top_line = usize::MAX;
    // '[ and '] as line numbers from 1, so that 0 can mean: none yet.
    let mut changed = (ed.lines.count(), 0);
    let mut swapped = Vec::with_capacity(entries.len());
    while let Some(entry) = entries.pop() {
        let is_last = entries.is_empty();
        place_cursor(ed, &entry, step_cursor, is_last, &mut cursor, &mut top_line);
        swapped.push(swap_rows(ed, entry, &mut changed));
    }
    let count = ed.lines.count();
    let row = |line: usize| line.min(count).checked_sub(1).map(|row| Pos { row, col: 0 });
    ed.marks.op_start = row(changed.0);
    ed.marks.op_end = row(changed.1);
    ed.cursor = cursor;
    ed.check_cursor_row();
    let step = &mut ed.undo.steps[index];
    step.entries = swapped;
    if step.was_none && ed.lines.is_blank() {
        ed.lines.none = true;
    }
    step.was_none = was_none;
    for (mark, (saved, current)) in ed.marks.named.iter_mut().zip(step.named.iter_mut().zip(named))
    {
        if saved.is_some() {
            *mark = *saved;
        }
        *saved = current;
    }
    if step.visual.start.is_some() {
        ed.marks.visual = std::mem::replace(&mut step.visual, visual);
    }
    settle_cursor(ed, step_cursor);
}

/// Decide where the cursor goes, from the text as it is before these rows are swapped.
fn place_cursor(
    ed: &Editor,
    entry: &Entry,
    step_cursor: Pos,
    is_last: bool,
    cursor: &mut Pos,
    top_line: &mut usize,
) {
    if entry.top >= *top_line {
        return;
    }
    let saved_line = step_cursor.row + 1;
    let (top, new_size) = (entry.top, entry.lines.len());
    if saved_line >= top && saved_line <= top + new_size + 1 {
        *cursor = step_cursor;
        *top_line = step_cursor.row;
        return;
    }
    let old_size = entry.bottom.unwrap_or(ed.lines.count()).saturating_sub(top);
    let same = (0..new_size.min(old_size))
        .take_while(|&i| ed.lines.get(top + i) == entry.lines[i])
        .count();
    if same == new_size {
        if *top_line == usize::MAX && is_last {
            *top_line = top;
            cursor.row = top;
        }
    } else {
        *top_line = top + same;
        cursor.row = top + same;
    }
}

fn swap_rows(ed: &mut Editor, entry: Entry, changed: &mut (usize, usize)) -> Entry {
    let top = entry.top.min(ed.lines.count());
    let bottom = entry.bottom.unwrap_or(ed.lines.count()).clamp(top, ed.lines.count());
    let old_size = bottom - top;
    let new_size = entry.lines.len();
    let old: Vec<String> = (top..bottom).map(|row| ed.lines.get(row).to_owned()).collect();
    let emptied = old_size == ed.lines.count();
    for row in (top..bottom).rev() {
        ed.lines.remove(row);
    }
    for (i, line) in entry.lines.into_iter().enumerate() {
        if emptied && top + i == 0 {
            ed.lines.replace(0, line);
        } else {
            ed.lines.insert(top + i, line);
        }
    }
    if old_size != new_size {
        let delta = new_size.cast_signed() - old_size.cast_signed();
        ed.marks.shift_rows(top, old_size, delta);
        if changed.0 > top + old_size {
            changed.0 = changed.0.saturating_add_signed(delta);
        }
        if changed.1 > top + old_size {
            changed.1 = changed.1.saturating_add_signed(delta);
        }
    }
    changed.0 = changed.0.min(top + 1);
    if new_size == 0 {
        changed.1 = changed.1.max(top + 1);
    } else {
        changed.1 = changed.1.max(top + new_size);
    }
    Entry { top, bottom: Some(top + new_size), lines_before: 0, lines: old }
}

/// One row off means the change began there (as with `o`): the cursor goes back where it was.
fn settle_cursor(ed: &mut Editor, step_cursor: Pos) {
    if step_cursor.row + 1 == ed.cursor.row {
        ed.cursor.row -= 1;
    }
    if step_cursor.row == ed.cursor.row {
        ed.cursor.col = step_cursor.col;
    } else {
        line_start(ed, Start::NonBlank);
    }
    ed.check_cursor();
}
