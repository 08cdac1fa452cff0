//! What stands around the conversation: title, typing, status, hints.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{put, put_right, style};
use crate::help;
use crate::keys;
use crate::layout;
use crate::model::{Model, Place, Tone, unread};
use crate::scroll;
use crate::words;
use crate::wrap;

pub(super) fn title(model: &Model, buffer: &mut Buffer, area: Rect) {
    if area.is_empty() {
        return;
    }
    let line = words::line(&model.line, model.now);
    put_right(
        buffer,
        area,
        area.x,
        area.y,
        &format!("{} ", line.text),
        style::of(model, line.tone),
    );
    let right =
        Rect { width: area.width.saturating_sub(wrap::width(&line.text) as u16 + 2), ..area };
    let here = model.chat.as_ref().map(|chat| chat.conv_id);
    let elsewhere: i64 = model
        .conversations
        .iter()
        .filter(|conversation| Some(conversation.conv_id) != here)
        .map(unread)
        .sum();
    let accent = style::of(model, Tone::Accent);
    let mut room = right;
    if elsewhere > 0 {
        let text = match area.width < layout::LIST_SCREEN_COLUMNS_MIN {
            true => format!("{elsewhere} new  "),
            false => format!("{elsewhere} unread elsewhere  "),
        };
        put_right(buffer, right, right.x, area.y, &text, accent);
        room.width = right.width.saturating_sub(wrap::width(&text) as u16);
    }
    let Some(conversation) = model.open_conversation() else {
        put(buffer, room, area.x, area.y, " natter", accent);
        return;
    };
    // something stands to the right of this: no character of disputed width
    let name = wrap::steady(&words::title(model, conversation));
    let name = wrap::cut(&name, usize::from(room.width / 2).max(8));
    let x = put(buffer, room, area.x, area.y, &format!(" {name}  "), accent);
    let about = words::about(model, conversation);
    let about = wrap::cut(&about, usize::from(room.right().saturating_sub(x + 1)));
    put(buffer, room, x, area.y, &about, style::of(model, Tone::Dim));
}

pub(super) fn typing(model: &Model, buffer: &mut Buffer, area: Rect) {
    if area.is_empty() {
        return;
    }
    let below = scroll::below(model);
    let dim = style::of(model, Tone::Dim);
    let x = put(buffer, area, area.x, area.y, &format!(" {}", words::typing(model)), dim);
    if below > 0 {
        let text = format!("↓ {below} more ");
        put_right(buffer, area, x, area.y, &text, style::of(model, Tone::Accent));
    }
}

/// The notice if there is one, else the proof that nothing was lost.
pub(super) fn status(model: &Model, buffer: &mut Buffer, area: Rect) {
    if area.is_empty() {
        return;
    }
    if let Some(notice) = &model.notice {
        let text = format!(" {}", proto::clean::line(&notice.text));
        put(buffer, area, area.x, area.y, &text, style::of(model, notice.tone));
        return;
    }
    let figures = model.figures;
    let mut parts = vec![
        format!("gaps {}", figures.gaps),
        format!("duplicates {}", figures.duplicates),
        format!("resumed {}×", figures.resumed),
        format!("replayed {}", figures.replayed),
    ];
    if figures.last_send_us > 0 {
        parts.push(format!("last send {}", words::milliseconds(figures.last_send_us)));
    }
    let (waiting, refused) = words::outbox(model);
    if waiting > 0 {
        parts.insert(0, format!("{waiting} queued"));
    }
    if refused > 0 {
        parts.insert(0, format!("{refused} not sent"));
    }
    let why = words::line_trouble(&model.line);
    if !why.is_empty() {
        parts.insert(0, why.to_string());
    }
    let tone = if figures.gaps_open > 0 { Tone::Bad } else { Tone::Dim };
    let text = wrap::cut(&format!(" {}", parts.join(" · ")), usize::from(area.width));
    put(buffer, area, area.x, area.y, &text, style::of(model, tone));
}

pub(super) fn hints(model: &Model, buffer: &mut Buffer, area: Rect) {
    if area.is_empty() {
        return;
    }
    let dim = style::of(model, Tone::Dim);
    let key_style = style::bold(style::of(model, Tone::Plain));
    let pending = match model.place {
        Place::Compose if model.pending.is_empty() => model.composer.pending(),
        Place::Compose => keys::show_all(&model.pending),
        Place::Messages | Place::List => keys::show_all(&model.pending),
    };
    let pending = format!("{pending}{}", keys::show_all(&model.held));
    let mut room = area;
    if !pending.is_empty() {
        let text = format!("{pending} ");
        put_right(buffer, area, area.x, area.y, &text, key_style);
        room.width = area.width.saturating_sub(wrap::width(&text) as u16 + 1);
    }
    let mut x = area.x + 1;
    for (key, hint) in help::hints(model) {
        let columns = wrap::width(&key) + 1 + wrap::width(hint);
        // a hint that would be cut is worse than none
        if usize::from(x - area.x) + columns > usize::from(room.width) {
            break;
        }
        x = put(buffer, room, x, area.y, &key, key_style);
        x = put(buffer, room, x + 1, area.y, hint, dim) + 2;
    }
}
