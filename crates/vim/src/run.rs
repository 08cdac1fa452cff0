//! Running a complete command, and what follows each.

use crate::command::{Command, Motion, Op, Verb, Widen};
use crate::editor::{Editor, Recording};
use crate::insert::{self, Begin, Restart};
use crate::join::{self, How};
use crate::key::Key;
use crate::motion::{self, Moving};
use crate::operate::{self, Request};
use crate::text::COL_MAX;
use crate::visual::{self, VisualKind};
use crate::{casing, mark_names, number, put, redo, replace, undo};

pub(crate) fn run(ed: &mut Editor, command: Command) {
    let times = command.times();
    let count = command.count;
    let command = Command { register: ed.registers.known(command.register), ..command };
    match command.verb {
        Verb::Cancel => {}
        Verb::Escape => escape(ed),
        Verb::Move(motion) => {
            let mut moving = Moving::new(None, count, ed.cursor);
            check(ed, |ed| motion::run(ed, motion, &mut moving));
        }
        Verb::Operate(op, motion) => operate_over(ed, op, motion, command),
        Verb::OperateVisual(op, widen) => operate_on_selection(ed, op, widen, &command),
        Verb::StartInsert(place) => insert::at(ed, place, times),
        Verb::Open { below } => insert::open(ed, below, times),
        Verb::Replace => {
            insert::begin_command(ed, Begin { count: times, ..Begin::command('R') });
        }
        Verb::ReplaceChars(key) => replace::chars(ed, count, key),
        Verb::SwapCase => casing::swap_at_cursor(ed, count),
        Verb::Join { spaces } => join_lines(ed, count, spaces, command.register),
        Verb::Put { before, rest_behind } => {
            put::command(ed, command.register, count, before, rest_behind);
        }
        Verb::AddNumber { up } => number::run(ed, up, count),
        Verb::HalfPage { down } => check(ed, |ed| motion::half_page(ed, down, count)),
        Verb::Jump { back } => check(ed, |ed| motion::along_jumps(ed, back, times)),
        Verb::Undo => {
            undo::undo(ed, times);
            ed.want_stale = true;
        }
        Verb::UndoRow => check(ed, undo::undo_row),
        Verb::Redo => {
            undo::redo(ed, times);
            ed.want_stale = true;
        }
        Verb::Repeat => check(ed, |ed| redo::repeat(ed, count)),
        Verb::Record(register) => check(ed, |ed| record(ed, register)),
        Verb::Execute(register) => check(ed, |ed| execute(ed, register, times)),
        Verb::SetMark(name) => check(ed, |ed| mark_names::set(ed, name)),
        Verb::Visual(kind) => visual::toggle(ed, kind, count),
        Verb::Reselect => visual::reselect(ed),
        Verb::SwapEnds { corners } => visual::swap_ends(ed, corners),
    }
    if !ed.inserting() {
        finish_command(ed, false);
    }
}

fn check(ed: &mut Editor, command: impl FnOnce(&mut Editor) -> bool) {
    if !command(ed) {
        ed.beep();
    }
}

/// After each command: settle marks and cursor, and go back to insert mode after CTRL-O.
pub(crate) fn finish_command(ed: &mut Editor, left_insert_for_command: bool) {
    ed.check_jump_mark();
    ed.adjust_cursor();
    let Some(restart) = ed.insert.restart else {
        return;
    };
    if ed.visual.active || left_insert_for_command || !ed.feed.nothing_stuffed() {
        return;
    }
    let letter = match restart {
        Restart::Insert => 'I',
        Restart::Replace => 'R',
    };
    insert::begin(ed, Begin { in_command: false, ..Begin::command(letter) });
}

fn escape(ed: &mut Editor) {
    if ed.visual.active {
        ed.end_visual();
        ed.check_cursor_col();
        ed.want_stale = true;
    }
}

fn operate_over(ed: &mut Editor, op: Op, motion: Motion, command: Command) {
    let mut moving = Moving::new(Some(op), command.count, ed.cursor);
    if !motion::run(ed, motion, &mut moving) {
        ed.beep();
        return;
    }
    let Command { register, count, force, keys, .. } = command;
    operate::run(ed, &Request { op, register, count, force, keys, moving });
}

fn operate_on_selection(ed: &mut Editor, op: Op, widen: Widen, command: &Command) {
    let block = ed.visual.kind == VisualKind::Block;
    let to_lines = match widen {
        Widen::No => false,
        Widen::Lines | Widen::LinesOrEnds => !block,
        Widen::AlwaysLines => true,
    };
    if to_lines {
        ed.visual.kind_before = Some(ed.visual.kind);
        ed.visual.kind = VisualKind::Line;
    } else if widen == Widen::LinesOrEnds {
        ed.want = COL_MAX;
        ed.want_stale = false;
    }
    let (register, count) = (command.register, command.count);
    let moving = Moving::new(Some(op), count, ed.cursor);
    operate::run(ed, &Request { op, register, count, force: None, keys: Vec::new(), moving });
}

fn join_lines(ed: &mut Editor, count: usize, spaces: bool, register: Option<char>) {
    let rows = count.max(2);
    let there = ed.lines.count() - ed.cursor.row;
    if rows > there && rows == 2 {
        ed.beep();
        return;
    }
    let rows = rows.min(there);
    let keys = [Key::Char('g'), Key::Char('J')];
    redo::prepare(ed, register, rows, if spaces { &keys[1..] } else { &keys });
    join::run(ed, rows, How { spaces, save: true, marks: true });
}

/// `q`: start, or stop and keep the keys.
fn record(ed: &mut Editor, register: Option<char>) -> bool {
    if ed.feed.executing {
        return true;
    }
    if let Some((name, keys)) = ed.stop_recording() {
        ed.registers.record(name, keys);
        return true;
    }
    let Some(register) = register.filter(|name| name.is_ascii_alphanumeric() || *name == '"')
    else {
        return false;
    };
    ed.recording = Some(Recording { register, keys: Vec::new() });
    true
}

/// `@`: press the keys of a register. Text that came from outside is never pressed.
fn execute(ed: &mut Editor, name: char, times: usize) -> bool {
    let name = if name == '@' {
        let Some(last) = ed.last_executed else {
            return false;
        };
        last
    } else {
        name
    };
    if !crate::register::is_register(name) || "%#:/".contains(name) {
        return false;
    }
    ed.last_executed = Some(name);
    if name == '_' {
        return true;
    }
    let keys = if name == '.' {
        let typed = ed.insert.last_insert.iter();
        typed
            .map(|stroke| match stroke {
                redo::Stroke::Key(key) => crate::key::char_of_key(*key),
                redo::Stroke::Literal(c) => *c,
            })
            .collect()
    } else {
        let register = ed.registers.read(ed.registers.known(Some(name)));
        if register.lines.is_empty() || register.foreign {
            return false;
        }
        register.text()
    };
    if let Some(restart) = ed.insert.restart.take() {
        ed.feed.mapped.push_front(Key::Char(match restart {
            Restart::Insert => 'i',
            Restart::Replace => 'R',
        }));
    }
    ed.feed.executing = true;
    redo::queue_macro(ed, &keys, times)
}
