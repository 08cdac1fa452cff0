//! `c`: delete, then insert; a block's first line is copied to the others afterwards.

use crate::block::part;
use crate::delete;
use crate::editor::Editor;
use crate::insert::{self, After, Begin};
use crate::operate::Area;
use crate::text::{floor, indent_len};
use crate::undo;

/// What the first line of a block was before the insert.
#[derive(Debug, Clone)]
pub(crate) struct BlockChange {
    area: Area,
    len: usize,
    indent: usize,
    col: usize,
}

pub(crate) fn run(ed: &mut Editor, area: Area) {
    // Typed after CTRL-O this is a new insert, not an excursion from the old one.
    let restart = if ed.feed.key_typed { None } else { ed.insert.restart };
    ed.insert.restart = None;
    let mut area = area;
    let col = if area.lines { 0 } else { area.start.col };
    if ed.lines.none {
        undo::save_cursor_row(ed);
    } else {
        if !writable(&area) {
            ed.beep();
            return;
        }
        delete::delete(ed, &mut area);
    }
    if col > ed.cursor.col && !ed.row().is_empty() {
        ed.inc_cursor();
    }
    let after = if area.block {
        let line = ed.lines.get(area.start.row);
        After::BlockChange(BlockChange {
            len: line.len(),
            indent: indent_len(line),
            col: ed.cursor.col,
            area,
        })
    } else {
        After::Nothing
    };
    insert::begin(ed, Begin { after, restart_after: restart, ..Begin::operator() });
}

fn writable(area: &Area) -> bool {
    area.register.is_none_or(crate::register::is_writable)
}

/// The insert is over: copy it to the other lines of the block.
pub(crate) fn finish_block(ed: &mut Editor, change: BlockChange) {
    let BlockChange { area, mut len, indent, mut col } = change;
    if area.start.row == area.end.row {
        return;
    }
    let line = ed.lines.get(area.start.row);
    if col > indent {
        let grown = indent_len(line).cast_signed() - indent.cast_signed();
        len = len.saturating_add_signed(grown);
        col = col.saturating_add_signed(grown);
    }
    let inserted = line.len().saturating_sub(len);
    if inserted == 0 {
        return;
    }
    let from = floor(line, col);
    let text = line[from..floor(line, from + inserted)].to_owned();
    for row in area.start.row + 1..=area.end.row.min(ed.lines.last()) {
        let part = part(ed, &area, row, true);
        if !part.short && ed.has_room(text.len()) {
            ed.splice(row, part.col, part.col, &text);
        }
    }
    ed.check_cursor();
}
