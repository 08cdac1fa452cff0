//! Up and down, in whatever has the keys.

use super::{fields, jumps};
use crate::commands::{Layer, Move};
use crate::finder;
use crate::layout;
use crate::model::{ItemId, Model, Newer, Over, Tone};
use crate::rows::GUTTER_COLUMNS;
use crate::{help, scroll};

pub(super) fn run(model: &mut Model, way: Move, count: Option<usize>) {
    match model.layer() {
        // from the box the conversation is read, too, and what is written stays
        Layer::Messages | Layer::Select | Layer::Insert | Layer::Normal => {
            in_messages(model, way, count);
        }
        Layer::List => in_list(model, way, count),
        Layer::Finder => {
            let rows = finder::candidates(model).len();
            if let Some(Over::Finder(finder)) = &mut model.over {
                finder.selected = moved(finder.selected, rows, way, count, 1);
            }
        }
        Layer::Help | Layer::Details => in_text(model, way, count),
        Layer::Results => {
            let page = layout::popup_rows(layout::popups(model));
            if let Some(Over::Results(found)) = &mut model.over {
                let rows = found.messages.len();
                found.selected = moved(found.selected, rows, way, count, page);
            }
        }
        Layer::CommandLine | Layer::Search | Layer::Reactions => {}
    }
}

fn in_messages(model: &mut Model, way: Move, count: Option<usize>) {
    if matches!(way, Move::First | Move::Last) {
        jumps::remember(model);
    }
    if let (Move::First | Move::Last, Some(number)) = (way, count) {
        fields::seek(model, i64::try_from(number).unwrap_or(i64::MAX));
        return;
    }
    let (Some(cursor), (_, height)) = (model.cursor_index(), scroll::pane(model)) else {
        return;
    };
    let newest = model.item_count() - 1;
    let half = (height / 2).max(1) as isize;
    let page = height.saturating_sub(1).max(1) as isize;
    let times = count.unwrap_or(1) as isize;
    match way {
        Move::Down => choose(model, (cursor + count.unwrap_or(1)).min(newest)),
        Move::Up => choose(model, cursor.saturating_sub(count.unwrap_or(1))),
        Move::First => choose(model, 0),
        Move::Last => to_the_end(model),
        Move::HalfDown => by_rows(model, half * times, true),
        Move::HalfUp => by_rows(model, -half * times, true),
        Move::PageDown => by_rows(model, page * times, true),
        Move::PageUp => by_rows(model, -page * times, true),
        Move::RowDown => by_rows(model, times, false),
        Move::RowUp => by_rows(model, -times, false),
        Move::CodeRight | Move::CodeLeft | Move::CodeHalfRight | Move::CodeHalfLeft => {
            move_code(model, way, count);
        }
        Move::CursorTop => scroll::show_at(model, cursor, scroll::At::Top),
        Move::CursorMiddle => scroll::show_at(model, cursor, scroll::At::Middle),
        Move::CursorBottom => scroll::show_at(model, cursor, scroll::At::Bottom),
    }
}

/// Shows another part of long lines of code; not beyond the end of the longest on the screen.
fn move_code(model: &mut Model, way: Move, count: Option<usize>) {
    let (columns, _) = scroll::pane(model);
    let times = count.unwrap_or(1);
    let half = (columns / 2).max(1);
    let widest = scroll::widest_code(model);
    // one column stays for the sign that something is hidden at the left
    let room = columns.saturating_sub(GUTTER_COLUMNS + 3);
    let last = widest.saturating_sub(room);
    let Some(chat) = &mut model.chat else {
        return;
    };
    let left = chat.code_left;
    chat.code_left = match way {
        Move::CodeRight => left.saturating_add(times).min(last.max(left)),
        Move::CodeHalfRight => left.saturating_add(half * times).min(last.max(left)),
        Move::CodeHalfLeft => left.saturating_sub(half * times),
        _ => left.saturating_sub(times),
    };
    if chat.code_left == left {
        let text = match left {
            0 if last == 0 => "no line of code here is too long for the screen",
            0 => "this is the beginning of the line",
            _ => "this is the end of the longest line",
        };
        model.tell(Tone::Dim, text);
    }
}

/// The newest message, and what comes after it.
pub(super) fn to_the_end(model: &mut Model) {
    if let Some(chat) = &mut model.chat {
        (chat.cursor, chat.bottom, chat.goal, chat.hunt) = (None, None, None, None);
        if !chat.at_end() {
            chat.newer = Newer::ToTheEnd;
        }
    }
}

/// Puts the cursor on an item and brings it onto the screen.
pub(super) fn choose(model: &mut Model, index: usize) {
    let newest = model.item_count().saturating_sub(1);
    let id = model.item(index).map(|item| item.id());
    if let Some(chat) = &mut model.chat {
        chat.cursor = if index == newest && chat.at_end() { None } else { id };
    }
    scroll::show(model, index);
}

/// Moves the screen; the cursor goes with it where it would be left behind. `far`: half a screen or
/// more is a move of the cursor too, where the screen cannot move any more.
fn by_rows(model: &mut Model, delta: isize, far: bool) {
    let Some(cursor) = model.cursor_index() else {
        return;
    };
    let anchor = model.chat.as_ref().and_then(|chat| chat.bottom);
    scroll::by_rows(model, delta);
    let stood = anchor == model.chat.as_ref().and_then(|chat| chat.bottom);
    let Some((first, last)) = scroll::readable_items(model) else {
        return;
    };
    let newest = model.item_count().saturating_sub(1);
    let wanted = match (far && stood, delta < 0) {
        (true, true) => 0,
        (true, false) => newest,
        (false, _) => cursor.clamp(first, last),
    };
    let id: Option<ItemId> = model.item(wanted).map(|item| item.id());
    if let Some(chat) = &mut model.chat {
        chat.cursor = if wanted == newest && chat.at_end() { None } else { id };
    }
}

fn in_list(model: &mut Model, way: Move, count: Option<usize>) {
    let rows = model.list_rows();
    let at = model.list_index(&rows);
    let page = usize::from(layout::panes(model, model.area()).list.height).max(2);
    model.list_cursor = rows.get(moved(at, rows.len(), way, count, page)).copied();
}

fn in_text(model: &mut Model, way: Move, count: Option<usize>) {
    let page = layout::popup_rows(layout::popups(model));
    let columns = layout::popup_columns(layout::popups(model));
    match &mut model.over {
        Some(Over::Help(open)) => {
            let lines = help::lines(&model.settings.keymap, columns, &open.filter).len();
            let places = lines.saturating_sub(page) + 1;
            open.scroll = moved(open.scroll, places, way, count, page);
        }
        Some(Over::Details(details)) => {
            let lines = help::wrapped(&details.lines, columns).len();
            let places = lines.saturating_sub(page) + 1;
            details.scroll = moved(details.scroll, places, way, count, page);
        }
        _ => {}
    }
}

/// The new place among `places` of them.
fn moved(at: usize, places: usize, way: Move, count: Option<usize>, page: usize) -> usize {
    let times = count.unwrap_or(1);
    let place = match way {
        Move::Down | Move::RowDown => at.saturating_add(times),
        Move::Up | Move::RowUp => at.saturating_sub(times),
        Move::First => 0,
        Move::Last => usize::MAX,
        Move::HalfDown => at.saturating_add((page / 2).max(1) * times),
        Move::HalfUp => at.saturating_sub((page / 2).max(1) * times),
        Move::PageDown => at.saturating_add(page * times),
        Move::PageUp => at.saturating_sub(page * times),
        Move::CursorTop | Move::CursorMiddle | Move::CursorBottom => at,
        Move::CodeRight | Move::CodeLeft | Move::CodeHalfRight | Move::CodeHalfLeft => at,
    };
    place.min(places.saturating_sub(1))
}
