//! The open conversation: its visible rows, lowest at the bottom.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{fill, put, put_right, style};
use crate::model::{Model, Place, Tone};
use crate::rows::{GUTTER_COLUMNS, Row};
use crate::scroll;
use crate::wrap;

pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect) {
    if area.is_empty() {
        return;
    }
    let Some(chat) = &model.chat else {
        return welcome(model, buffer, area);
    };
    let visible = scroll::visible(model, usize::from(area.width), usize::from(area.height));
    if visible.is_empty() && chat.loaded {
        let text = " nothing was written here yet: i writes";
        put(buffer, area, area.x, area.bottom() - 1, text, style::of(model, Tone::Dim));
    }
    let cursor = model.cursor_index();
    let selection = model.selection();
    let first = area.bottom().saturating_sub(visible.len() as u16);
    for (y, shown) in (first..area.bottom()).zip(&visible) {
        let within = selection.is_some_and(|(a, b)| (a..=b).contains(&shown.index));
        let under = model.place == Place::Messages && Some(shown.index) == cursor;
        let chosen = within || under;
        draw_row(model, buffer, Rect { y, height: 1, ..area }, &shown.row, chosen);
    }
}

/// The first start: five lines, not a tour.
fn welcome(model: &Model, buffer: &mut Buffer, area: Rect) {
    let lines = [
        "f       find people, friends and groups",
        "Tab     go to the list; Enter opens a conversation",
        "i       write; Enter sends; Esc goes back",
        "?       all keys        :help  all commands",
        "q       quit; nothing is lost",
    ];
    let top = area.y + area.height.saturating_sub(lines.len() as u16) / 2;
    for (y, line) in (top..area.bottom()).zip(lines) {
        put(buffer, area, area.x + 3, y, line, style::of(model, Tone::Dim));
    }
}

fn draw_row(model: &Model, buffer: &mut Buffer, area: Rect, row: &Row, chosen: bool) {
    let (x, y) = (area.x, area.y);
    let text_x = x + GUTTER_COLUMNS as u16 + 2;
    let dim = style::of(model, Tone::Dim);
    match row {
        Row::Top(text) => {
            put(buffer, area, x + 1, y, text, dim);
        }
        Row::Day(day) => divider(buffer, area, &format!("─── {day} "), dim),
        Row::New(count) => {
            let accent = style::of(model, Tone::Accent);
            divider(buffer, area, &format!("─── {count} new "), accent);
        }
        Row::Head { time, sender, mine, state, edited } => {
            put(buffer, area, x, y, time, dim);
            let tone = if *mine { Tone::Good } else { Tone::Accent };
            let name = style::bold(style::of(model, tone));
            let mut end = put(buffer, area, x + GUTTER_COLUMNS as u16, y, sender, name);
            if *edited {
                end = put(buffer, area, end, y, " (edited)", dim);
            }
            if let Some(state) = state {
                let room = usize::from(area.right().saturating_sub(end + 2));
                let text = wrap::cut(&wrap::steady(&state.text), room);
                let state_style = style::of(model, state.tone);
                put_right(buffer, area, end + 1, y, &format!("{text} "), state_style);
            }
        }
        Row::Quote(text) => {
            gutter(model, buffer, area, chosen, false);
            put(buffer, area, text_x, y, text, dim);
        }
        Row::Body { runs, mentions_me, hidden } => {
            gutter(model, buffer, area, chosen, *mentions_me);
            let accent = style::of(model, Tone::Accent);
            let mut end = text_x;
            if hidden.0 {
                end = put(buffer, area, end, y, "‹", accent);
            }
            for run in runs {
                end = put(buffer, area, end, y, &run.text, style::look(model, run.look));
            }
            if hidden.1 {
                put(buffer, area, area.right().saturating_sub(1).max(end), y, "›", accent);
            }
        }
        Row::Bottom(text) => {
            put(buffer, area, x + 1, y, text, dim);
        }
        Row::Refused(why) => {
            gutter(model, buffer, area, chosen, false);
            put(buffer, area, text_x, y, why, style::of(model, Tone::Bad));
        }
        Row::Reactions(text) => {
            gutter(model, buffer, area, chosen, false);
            put(buffer, area, text_x, y, text, dim);
        }
        Row::Event { time, text } => {
            put(buffer, area, x, y, time, dim);
            let shown = if chosen { style::chosen(dim) } else { dim };
            put(buffer, area, x + GUTTER_COLUMNS as u16, y, &format!("· {text}"), shown);
        }
    }
}

fn divider(buffer: &mut Buffer, area: Rect, text: &str, line: ratatui::style::Style) {
    fill(buffer, area, area.y, "─", line);
    put(buffer, area, area.x, area.y, text, line);
}

/// The bar that separates what others wrote from what the program says.
fn gutter(model: &Model, buffer: &mut Buffer, area: Rect, chosen: bool, mentions_me: bool) {
    let (bar, tone) = match (chosen, mentions_me) {
        (true, _) => ("▌", Tone::Accent),
        (false, true) => ("▎", Tone::Warn),
        (false, false) => ("▏", Tone::Dim),
    };
    let x = area.x + GUTTER_COLUMNS as u16;
    put(buffer, area, x, area.y, bar, style::of(model, tone));
}
