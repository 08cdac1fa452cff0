//! Tag blocks: `it` and `at`, from `<name …>` to the `</name>` that belongs to it.

use crate::block_object::in_indent;
use crate::chars::{is_white, is_word, lower};
use crate::editor::Editor;
use crate::limits::TAG_BYTES_READ_MAX;
use crate::motion::Moving;
use crate::text::{Lines, Pos, Step, byte_at, head};
use crate::visual::VisualKind;
use std::cell::Cell;

/// The text, and how much of it may still be read: tags that nothing closes would have it read
/// over and over.
struct Scan<'a> {
    lines: &'a Lines,
    bytes_left: Cell<usize>,
}

impl Scan<'_> {
    /// A row; an empty one when enough was read.
    fn read(&self, row: usize) -> &str {
        let line = self.lines.get(row);
        let left = self.bytes_left.get().checked_sub(line.len() + 1);
        self.bytes_left.set(left.unwrap_or(0));
        if left.is_some() { line } else { "" }
    }
}

/// A tag in the text: where it starts, where it ends, and which kind.
#[derive(Debug, Clone, Copy)]
struct Tag {
    start: Pos,
    behind: Pos,
    opens: bool,
}

/// Which tags are looked for: any, or those of one name.
#[derive(Debug, Clone, Copy)]
enum Wanted<'a> {
    Any,
    Name(&'a str),
}

pub(crate) fn select(ed: &mut Editor, around: bool, moving: &mut Moving) -> bool {
    moving.exact_end = true;
    let old_cursor = ed.cursor;
    let (mut old_start, mut old_end) = (old_cursor, old_cursor);
    if !ed.visual.active {
        ed.lines.dec_skip(&mut old_end);
    }
    if !ed.visual.active || ed.visual.start == ed.cursor {
        ed.set_jump_mark();
        enter_tag(ed, &mut old_end);
    } else if ed.visual.start < ed.cursor {
        old_start = ed.visual.start;
        ed.cursor = ed.visual.start;
    } else {
        old_end = ed.visual.start;
    }
    let mut count = moving.times();
    let mut whole = around;
    let mut from = ed.cursor;
    loop {
        let scan = Scan { lines: &ed.lines, bytes_left: Cell::new(TAG_BYTES_READ_MAX) };
        let Some((start, close)) = enclosing(&scan, from, count, old_end) else {
            ed.cursor = old_cursor;
            return false;
        };
        let (start, end, inclusive) = area(ed, start, close, whole);
        if !whole && ed.visual.active && start == old_start && end == old_end {
            // The inside is selected already: now the tags, too.
            whole = true;
            from = old_start;
            count = moving.times();
            continue;
        }
        finish(ed, start, end, inclusive, moving);
        return true;
    }
}

/// On a tag the block of that tag is meant.
fn enter_tag(ed: &mut Editor, old_end: &mut Pos) {
    while in_indent(ed, 1) {
        if ed.inc_cursor() != Step::Inside {
            break;
        }
    }
    if in_tag(ed, false) {
        while byte_at(ed.row(), ed.cursor.col) != b'>' {
            if ed.inc_cursor() == Step::Stuck {
                break;
            }
        }
    } else if in_tag(ed, true) {
        while byte_at(ed.row(), ed.cursor.col) != b'<' {
            if ed.dec_cursor() == Step::Stuck {
                break;
            }
        }
        ed.dec_cursor();
        *old_end = ed.cursor;
    }
}

/// Is the cursor on a tag that closes, or on one that opens and is not `<name/>`?
fn in_tag(ed: &Editor, closing: bool) -> bool {
    let line = ed.row();
    let mut col = ed.cursor.col.min(line.len());
    while col > 0 && byte_at(line, col) != b'<' {
        col = head(line, col - 1);
        if byte_at(line, col) == b'>' {
            break;
        }
    }
    if byte_at(line, col) != b'<' {
        return false;
    }
    let slash = byte_at(line, col + 1) == b'/';
    if closing || slash {
        return closing && slash;
    }
    let mut pos = Pos { col, ..ed.cursor };
    let mut last = 0;
    loop {
        if ed.lines.inc(&mut pos) == Step::Stuck {
            return false;
        }
        match byte_at(ed.lines.get(pos.row), pos.col) {
            b'>' => return last != b'/',
            other => last = other,
        }
    }
}

/// The `count`th unclosed tag before a position, and the start of the tag that closes it. A tag
/// that nothing closes is passed over.
fn enclosing(scan: &Scan, from: Pos, count: usize, old_end: Pos) -> Option<(Pos, Pos)> {
    let mut start = from;
    let mut count = count;
    loop {
        for _ in 0..count {
            start = search_back(scan, start)?;
        }
        let line = scan.lines.get(start.row);
        let name =
            line[start.col + 1..].split([' ', '\t', '>']).next().filter(|n| !n.is_empty())?;
        let inside = Pos { col: start.col + 1, ..start };
        match search_on(scan, inside, name) {
            Some(close) if close >= old_end => return Some((start, close)),
            _ => count = 1,
        }
    }
}

fn area(ed: &mut Editor, start: Pos, close: Pos, whole: bool) -> (Pos, Pos, bool) {
    ed.cursor = close;
    let mut inclusive = true;
    if whole {
        while byte_at(ed.row(), ed.cursor.col) != b'>' {
            if ed.inc_cursor() == Step::Stuck {
                break;
            }
        }
        return (start, ed.cursor, inclusive);
    }
    if ed.char() == '<' && !ed.visual.active && ed.cursor.col == 0 {
        inclusive = false;
    } else if ed.char() == '<' {
        ed.dec_cursor();
    }
    let end = ed.cursor;
    let mut inner = start;
    while ed.lines.inc(&mut inner) != Step::Stuck {
        if ed.lines.char_at(inner) == '>' {
            ed.lines.inc(&mut inner);
            break;
        }
    }
    (inner, end, inclusive)
}

fn finish(ed: &mut Editor, start: Pos, end: Pos, inclusive: bool, moving: &mut Moving) {
    let empty = end < start;
    ed.cursor = if empty { start } else { end };
    if ed.visual.active {
        ed.visual.start = start;
        ed.visual.kind = VisualKind::Char;
    } else {
        moving.start = start;
        moving.inclusive = inclusive && !empty;
    }
}

fn search_back(scan: &Scan, from: Pos) -> Option<Pos> {
    let mut depth = 1_usize;
    let mut pos = from;
    loop {
        let tag = (0..=pos.row).rev().find_map(|row| {
            tags_in_row(scan, row, Wanted::Any).into_iter().rev().find(|tag| tag.start < pos)
        })?;
        pos = tag.start;
        if !tag.opens {
            depth += 1;
        } else if depth == 1 {
            return Some(pos);
        } else {
            depth -= 1;
        }
    }
}

fn search_on(scan: &Scan, from: Pos, name: &str) -> Option<Pos> {
    let mut depth = 1_usize;
    let mut pos = from;
    loop {
        let tag = (pos.row..scan.lines.count()).find_map(|row| {
            tags_in_row(scan, row, Wanted::Name(name)).into_iter().find(|tag| tag.start > pos)
        })?;
        pos = tag.start;
        if tag.opens {
            depth += 1;
        } else if depth == 1 {
            return Some(pos);
        } else {
            depth -= 1;
        }
    }
}

/// The tags that begin in a row, from its start, none inside another.
fn tags_in_row(scan: &Scan, row: usize, wanted: Wanted) -> Vec<Tag> {
    let line = scan.read(row);
    let mut tags = Vec::new();
    let mut col = 0;
    while let Some(found) = line.get(col..).and_then(|rest| rest.find('<')) {
        let start = Pos { row, col: col + found };
        col = start.col + 1;
        let Some(tag) = tag_at(scan, start, wanted) else {
            continue;
        };
        tags.push(tag);
        if tag.behind.row > row {
            break;
        }
        col = tag.behind.col;
    }
    tags
}

fn tag_at(scan: &Scan, start: Pos, wanted: Wanted) -> Option<Tag> {
    let rest = &scan.lines.get(start.row)[start.col + 1..];
    if let Some(inner) = rest.strip_prefix('/') {
        let name = match wanted {
            Wanted::Any => inner.split('>').next().filter(|name| name.len() < inner.len())?,
            Wanted::Name(name) => prefix_ignoring_case(inner, name)
                .filter(|found| inner[found.len()..].starts_with('>'))?,
        };
        let behind = Pos { col: start.col + 3 + name.len(), ..start };
        return Some(Tag { start, behind, opens: false });
    }
    let name = match wanted {
        Wanted::Any => {
            let end = rest.find([' ', '\t', '>', '/', '!']).unwrap_or(rest.len());
            Some(&rest[..end]).filter(|name| !name.is_empty())?
        }
        Wanted::Name(name) => {
            prefix_ignoring_case(rest, name).filter(|found| ends_word(rest, found.len()))?
        }
    };
    let behind_name = Pos { col: start.col + 1 + name.len(), ..start };
    let behind = opening_end(scan, behind_name, wanted)?;
    Some(Tag { start, behind, opens: true })
}

fn prefix_ignoring_case<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut len = 0;
    let mut chars = text.chars();
    for wanted in name.chars() {
        let c = chars.next()?;
        if lower(c) != lower(wanted) {
            return None;
        }
        len += c.len_utf8();
    }
    Some(&text[..len])
}

fn ends_word(text: &str, at: usize) -> bool {
    let word = |c: Option<char>| c.is_some_and(is_word);
    word(text[..at].chars().next_back()) && !word(text[at..].chars().next())
}

/// Behind the `>` of an opening tag whose name ends at `pos`; attributes may run over lines.
fn opening_end(scan: &Scan, pos: Pos, wanted: Wanted) -> Option<Pos> {
    let lines = scan.lines;
    let line = lines.get(pos.row);
    let behind = |pos: Pos| Pos { col: pos.col + 1, ..pos };
    let at_eol = pos.col >= line.len();
    let next = line[pos.col.min(line.len())..].chars().next();
    if next == Some('>') {
        return Some(behind(pos));
    }
    let after_blank = if at_eol && pos.row < lines.last() {
        Pos { row: pos.row + 1, col: 0 }
    } else if next.is_some_and(is_white) {
        behind(pos)
    } else {
        return eol_alone(at_eol, pos, wanted);
    };
    let close = find_close(scan, after_blank);
    if let Some(close) = close {
        let mut before = close;
        let inside = close > after_blank && lines.dec(&mut before) != Step::Stuck;
        let last = lines.char_at(before);
        let line_end_counts = matches!(wanted, Wanted::Name(_));
        if inside && last != '/' && (last != '\0' || line_end_counts) {
            return Some(behind(close));
        }
        if lines.char_at(behind(close)) == '>' {
            return Some(behind(behind(close)));
        }
    }
    if at_eol && matches!(wanted, Wanted::Any) {
        return Some(pos);
    }
    (close == Some(after_blank)).then(|| behind(after_blank))
}

/// While any tag is looked for, a name may end with its line.
fn eol_alone(at_eol: bool, pos: Pos, wanted: Wanted) -> Option<Pos> {
    (at_eol && matches!(wanted, Wanted::Any)).then_some(pos)
}

fn find_close(scan: &Scan, from: Pos) -> Option<Pos> {
    (from.row..scan.lines.count()).find_map(|row| {
        let first = if row == from.row { from.col } else { 0 };
        let found = scan.read(row).get(first..)?.find('>')?;
        Some(Pos { row, col: first + found })
    })
}
