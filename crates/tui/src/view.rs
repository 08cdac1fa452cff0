//! Draws the model, and nothing else: no state, no decisions that a key could depend on.
//!
//! Text of others goes to the buffer through `put` only: ratatui's `set_stringn` filters control
//! characters a second time (the first was where the text entered the process).

mod compose;
mod flags;
mod frame;
mod list;
mod messages;
mod popups;
mod style;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use crate::layout;
use crate::model::{Model, Over, Place};
use crate::wrap;

/// One frame. Any size, also none at all.
pub fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let panes = layout::panes(model, area);
    let buffer = frame.buffer_mut();
    frame::title(model, buffer, panes.title);
    list::draw(model, buffer, panes.list, panes.rule);
    messages::draw(model, buffer, panes.messages);
    frame::typing(model, buffer, panes.typing);
    compose::edge(model, buffer, panes.edge);
    let box_cursor = compose::text(model, buffer, panes.input);
    frame::status(model, buffer, panes.status);
    frame::hints(model, buffer, panes.hints);
    let over_cursor = popups::draw(model, buffer, layout::popups(model), &panes);
    popups::draw_tutor(model, buffer, layout::lesson(model));
    if model.over.is_none() && model.which_key {
        popups::draw_which_key(model, buffer, area);
    }
    flags::as_letters(frame.buffer_mut());
    style::ground(model, frame.buffer_mut());
    let cursor = match (&model.over, model.place) {
        (Some(_), _) => over_cursor,
        (None, Place::Compose) => box_cursor,
        (None, Place::Messages | Place::List) => None,
    };
    if let Some(position) = cursor.filter(|position| area.contains(*position)) {
        frame.set_cursor_position(position);
    }
}

/// How the cursor should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorShape {
    Bar,
    Block,
}

/// A bar where a key inserts a character, a block where it is a command.
pub fn cursor_shape(model: &Model) -> CursorShape {
    match (&model.over, model.composer.is_inserting()) {
        (
            Some(Over::Finder(_) | Over::CommandLine(_) | Over::Search(_) | Over::Reactions(_)),
            _,
        ) => CursorShape::Bar,
        (Some(Over::Help(_) | Over::Details(_) | Over::Results(_)), _) => CursorShape::Block,
        (None, true) if model.place == Place::Compose => CursorShape::Bar,
        (None, _) => CursorShape::Block,
    }
}

/// The only way text reaches the screen: cut at the area's right edge. Returns the column behind
/// it.
fn put(buffer: &mut Buffer, area: Rect, x: u16, y: u16, text: &str, style: Style) -> u16 {
    let inside = area.intersection(buffer.area);
    if !inside.contains(Position::new(x, y)) {
        return x;
    }
    let columns = usize::from(inside.right() - x);
    buffer.set_stringn(x, y, text, columns, style).0
}

/// Text that ends at the area's right edge; nothing where it does not fit right of `from`.
fn put_right(buffer: &mut Buffer, area: Rect, from: u16, y: u16, text: &str, style: Style) {
    let columns = u16::try_from(wrap::width(text)).unwrap_or(u16::MAX);
    let Some(x) = area.right().checked_sub(columns) else {
        return;
    };
    if x >= from {
        put(buffer, area, x, y, text, style);
    }
}

/// One row in one character.
fn fill(buffer: &mut Buffer, area: Rect, y: u16, what: &str, style: Style) {
    let row = what.repeat(usize::from(area.width));
    put(buffer, area, area.x, y, &row, style);
}

/// An empty area with a border and a title in it.
fn bordered(buffer: &mut Buffer, area: Rect, title: &str, style: Style) {
    let area = area.intersection(buffer.area);
    if area.is_empty() {
        return;
    }
    let blank = " ".repeat(usize::from(area.width));
    for y in area.top()..area.bottom() {
        // of a wide character whose right half is covered, the left half must go too
        if area.x > buffer.area.x && wrap::width(buffer[(area.x - 1, y)].symbol()) > 1 {
            buffer[(area.x - 1, y)].reset();
        }
        put(buffer, area, area.x, y, &blank, Style::reset());
        put(buffer, area, area.x, y, "│", style);
        put(buffer, area, area.right() - 1, y, "│", style);
    }
    let across = "─".repeat(usize::from(area.width.saturating_sub(2)));
    for (y, left, right) in [(area.top(), "╭", "╮"), (area.bottom() - 1, "╰", "╯")] {
        let end = put(buffer, area, area.x, y, left, style);
        put(buffer, area, end, y, &across, style);
        put(buffer, area, area.right() - 1, y, right, style);
    }
    let room = usize::from(area.width.saturating_sub(4));
    let title = wrap::cut(&format!(" {title} "), room);
    put(buffer, area, area.x + 2, area.y, &title, style);
}
