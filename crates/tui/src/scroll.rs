//! Which rows of the open conversation are on the screen, and how that moves.
//!
//! The place is remembered by the lowest visible row, by the name of its message: what comes in
//! later or is loaded above does not move what one is reading. Costs grow with the screen, not with
//! the conversation.

use crate::layout;
use crate::markdown;
use crate::model::{Anchor, Chat, Item, Model};
use crate::rows::{self, Row};
use crate::wrap;

/// Width and height of the message pane.
pub fn pane(model: &Model) -> (usize, usize) {
    let messages = layout::panes(model, model.area()).messages;
    (usize::from(messages.width), usize::from(messages.height))
}

/// A row on the screen and the item it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visible {
    pub index: usize,
    pub row: Row,
}

/// The rows on a pane of this size, from the top; fewer than `height` only where there are no more.
pub fn visible(model: &Model, columns: usize, height: usize) -> Vec<Visible> {
    let (Some(chat), Some((bottom, hidden))) = (&model.chat, bottom(model)) else {
        return Vec::new();
    };
    let mut found: Vec<Visible> = Vec::with_capacity(height);
    let mut skip = hidden;
    for index in (0..=bottom).rev() {
        if found.len() >= height {
            break;
        }
        let built = rows::build(model, chat, index, columns);
        for row in built.into_iter().rev().skip(skip) {
            if found.len() < height {
                found.push(Visible { index, row });
            }
        }
        skip = 0;
    }
    found.reverse();
    found
}

/// How many items lie wholly below the screen, loaded or not.
pub fn below(model: &Model) -> usize {
    let Some((index, _)) = bottom(model) else {
        return 0;
    };
    let loaded = model.item_count() - 1 - index;
    match (&model.chat, model.open_conversation()) {
        (Some(chat), Some(conversation)) if !chat.at_end() => {
            let last = chat.messages.last().map_or(0, |message| message.seq);
            let after = conversation.last_seq.saturating_sub(last).max(0);
            loaded.saturating_add(usize::try_from(after).unwrap_or(usize::MAX))
        }
        _ => loaded,
    }
}

/// The lowest visible item and how many of its rows are hidden.
fn bottom(model: &Model) -> Option<(usize, usize)> {
    let newest = model.item_count().checked_sub(1)?;
    let anchor = model.chat.as_ref()?.bottom;
    match anchor.and_then(|anchor| Some((model.index_of(anchor.item)?, anchor.hidden))) {
        Some(place) => Some(place),
        None => Some((newest, 0)),
    }
}

/// Moves the screen by rows; positive is down. Stops at both ends.
pub fn by_rows(model: &mut Model, delta: isize) {
    let (columns, height) = pane(model);
    let (Some(chat), Some((index, hidden))) = (&model.chat, bottom(model)) else {
        return;
    };
    let place = match delta {
        0.. => down(model, chat, columns, (index, hidden), delta.unsigned_abs()),
        ..0 => {
            let moved = up(model, chat, columns, (index, hidden), delta.unsigned_abs());
            not_above_the_top(model, chat, columns, moved, height)
        }
    };
    set_bottom(model, place);
}

/// Brings the item onto the screen, moving as little as possible. Of one that is too tall, its
/// beginning.
pub fn show(model: &mut Model, index: usize) {
    let (columns, height) = pane(model);
    let (Some(chat), Some((low, hidden))) = (&model.chat, bottom(model)) else {
        return;
    };
    let shown = visible(model, columns, height);
    let rows = rows_of(model, chat, columns, index);
    let seen = shown.iter().filter(|row| row.index == index).count();
    if seen >= rows.min(height) {
        return;
    }
    let place = if index > low || (index == low && hidden > 0 && seen < height) {
        match rows > height {
            true => (index, rows - height),
            false => (index, 0),
        }
    } else {
        // its first row becomes the first of the screen
        let top = (index, rows.saturating_sub(1));
        down(model, chat, columns, top, height.saturating_sub(1))
    };
    set_bottom(model, place);
}

/// Where an item is to stand on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Top,
    Middle,
    Bottom,
}

/// Puts the item there, as far as there are rows above and below it.
pub fn show_at(model: &mut Model, index: usize, at: At) {
    let (columns, height) = pane(model);
    let Some(chat) = &model.chat else {
        return;
    };
    let rows = rows_of(model, chat, columns, index);
    let top = (index, rows.saturating_sub(1));
    let place = match at {
        At::Top => down(model, chat, columns, top, height.saturating_sub(1)),
        At::Middle => down(model, chat, columns, top, (height + rows) / 2),
        At::Bottom => (index, 0),
    };
    let place = not_above_the_top(model, chat, columns, place, height);
    set_bottom(model, place);
}

/// The first and the last item of which something is on the screen.
pub fn visible_items(model: &Model) -> Option<(usize, usize)> {
    let (columns, height) = pane(model);
    let shown = visible(model, columns, height);
    Some((shown.first()?.index, shown.last()?.index))
}

/// The same of those of which more than what stands above a text is on the screen: where the cursor
/// can be seen. On a screen with nothing else, all.
pub fn readable_items(model: &Model) -> Option<(usize, usize)> {
    let (columns, height) = pane(model);
    let shown = visible(model, columns, height);
    let is_above = |row: &Row| {
        matches!(row, Row::Top(_) | Row::Day(_) | Row::New(_) | Row::Head { .. } | Row::Quote(_))
    };
    let mut read = shown.iter().filter(|shown| !is_above(&shown.row)).map(|shown| shown.index);
    match read.next() {
        Some(first) => Some((first, read.next_back().unwrap_or(first))),
        None => Some((shown.first()?.index, shown.last()?.index)),
    }
}

/// Holds the screen where it is, so that it does not follow what comes.
pub fn hold(model: &mut Model) {
    if let Some((index, hidden)) = bottom(model) {
        let item = model.item(index).map(|item| item.id());
        if let (Some(chat), Some(item)) = (&mut model.chat, item) {
            chat.bottom = Some(Anchor { item, hidden });
        }
    }
}

/// Columns of the widest line of code on the screen.
pub fn widest_code(model: &Model) -> usize {
    let Some((first, last)) = visible_items(model) else {
        return 0;
    };
    let bodies = (first..=last).filter_map(|index| match model.item(index)? {
        Item::Stored(message) => Some(message.body.as_str()),
        Item::Queued(queued) => Some(queued.body.as_str()),
    });
    let widest = |body: &str| {
        let lines = markdown::style(body).lines.into_iter().filter(|line| line.code);
        lines.map(|line| wrap::width(&body[line.range])).max()
    };
    bodies.filter_map(widest).max().unwrap_or(0)
}

fn rows_of(model: &Model, chat: &Chat, columns: usize, index: usize) -> usize {
    rows::build(model, chat, index, columns).len()
}

fn down(
    model: &Model,
    chat: &Chat,
    columns: usize,
    from: (usize, usize),
    by: usize,
) -> (usize, usize) {
    let newest = model.item_count().saturating_sub(1);
    let (mut index, mut hidden) = from;
    let mut left = by;
    while left > hidden && index < newest {
        left -= hidden + 1;
        index += 1;
        hidden = rows_of(model, chat, columns, index).saturating_sub(1);
    }
    (index, hidden.saturating_sub(left))
}

fn up(
    model: &Model,
    chat: &Chat,
    columns: usize,
    from: (usize, usize),
    by: usize,
) -> (usize, usize) {
    let (mut index, mut hidden) = from;
    let mut left = by;
    loop {
        let rows = rows_of(model, chat, columns, index);
        let hideable = rows.saturating_sub(1).saturating_sub(hidden);
        if left <= hideable {
            return (index, hidden + left);
        }
        if index == 0 {
            return (0, rows.saturating_sub(1));
        }
        left -= hideable + 1;
        index -= 1;
        hidden = 0;
    }
}

/// A place with less than a screen above it is moved down until the screen is full.
fn not_above_the_top(
    model: &Model,
    chat: &Chat,
    columns: usize,
    place: (usize, usize),
    height: usize,
) -> (usize, usize) {
    let mut above = 0;
    let mut hidden = place.1;
    for index in (0..=place.0).rev() {
        above += rows_of(model, chat, columns, index).saturating_sub(hidden);
        hidden = 0;
        if above >= height {
            return place;
        }
    }
    down(model, chat, columns, place, height - above)
}

fn set_bottom(model: &mut Model, place: (usize, usize)) {
    let (index, hidden) = place;
    let newest = model.chat.as_ref().is_some_and(Chat::at_end);
    let at_end = newest && index + 1 >= model.item_count() && hidden == 0;
    let item = model.item(index).map(|item| item.id());
    if let Some(chat) = &mut model.chat {
        chat.bottom = match (at_end, item) {
            (false, Some(item)) => Some(Anchor { item, hidden }),
            (true, _) | (_, None) => None,
        };
    }
}
