//! The message box: its edge with the mode, and the rows around the cursor.

use std::ops::Range;

use proto::limits::BODY_BYTES_MAX;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use unicode_segmentation::UnicodeSegmentation;
use vim::{Mode, VisualKind};

use super::{fill, put, put_right, style};
use crate::composer::Composer;
use crate::layout;
use crate::model::{Model, Place, Target, Tone};
use crate::scroll;
use crate::wrap;

pub(super) fn edge(model: &Model, buffer: &mut Buffer, area: Rect) {
    if area.is_empty() {
        return;
    }
    let writing = model.place == Place::Compose;
    let line = style::of(model, if writing { Tone::Accent } else { Tone::Dim });
    fill(buffer, area, area.y, "─", line);
    let what = match model.target {
        Target::New => "message".to_string(),
        Target::Reply { seq } => format!("reply to #{seq}"),
        Target::Edit { seq } => format!("edit #{seq}"),
    };
    let badge = match writing {
        true => badge(&model.composer),
        false => model
            .selection()
            .map(|(first, last)| format!("── SELECT {} ", last - first + 1))
            .unwrap_or_default(),
    };
    let end = put(buffer, area, area.x, area.y, &format!("─ {what} {badge}"), line);
    // without a row for notices this is the place where they can be seen
    let small = layout::panes(model, *buffer.area()).status.is_empty();
    match &model.notice {
        Some(notice) if small => {
            let text = proto::clean::line(&notice.text);
            put(buffer, area, area.x, area.y, &text, style::of(model, notice.tone));
        }
        _ => {
            let below = scroll::below(model);
            let small = small || layout::panes(model, *buffer.area()).typing.is_empty();
            if small && below > 0 {
                let text = format!(" ↓ {below} more ");
                put_right(buffer, area, end, area.y, &text, style::of(model, Tone::Accent));
            }
        }
    }
}

/// The mode, the macro that is being recorded, and a text that is too long to be sent.
fn badge(composer: &Composer) -> String {
    let mode = match composer.mode {
        Mode::Normal => "NORMAL",
        Mode::Insert => "INSERT",
        Mode::Replace => "REPLACE",
        Mode::OneCommand => "(insert)",
        Mode::Visual(VisualKind::Char) => "VISUAL",
        Mode::Visual(VisualKind::Line) => "VISUAL LINE",
        Mode::Visual(VisualKind::Block) => "VISUAL BLOCK",
    };
    let mut badge = format!("── {mode} ");
    if let Some(register) = composer.editor.recording() {
        badge.push_str(&format!("── recording @{register} "));
    }
    let over = composer.text.len().saturating_sub(BODY_BYTES_MAX);
    if over > 0 {
        badge.push_str(&format!("── {over} bytes too long "));
    }
    badge
}

/// Draws the rows around the cursor and says where it is.
pub(super) fn text(model: &Model, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let composer = &model.composer;
    if composer.text.is_empty() && model.place != Place::Compose {
        let hint = if model.chat.is_some() { "i writes" } else { "f finds somebody to write to" };
        put(buffer, area, area.x + 1, area.y, hint, style::of(model, Tone::Dim));
        return None;
    }
    let rows = wrap::rows(&composer.text, layout::input_columns(area));
    let row = rows.iter().rposition(|row| row.start <= composer.cursor).unwrap_or(0);
    let height = usize::from(area.height);
    let first = (row + 1).saturating_sub(height);
    let selected = composer.selected();
    for (y, range) in (area.top()..area.bottom()).zip(rows.iter().skip(first)) {
        let line = Rect { x: area.x + 1, y, width: area.width.saturating_sub(1), height: 1 };
        draw_row(model, buffer, line, &composer.text, range, &selected);
    }
    let before = &composer.text[rows[row].start..composer.cursor.max(rows[row].start)];
    let column = wrap::width(before).min(layout::input_columns(area));
    let x = area.x + 1 + column as u16;
    let y = area.y + (row - first) as u16;
    Some(Position::new(x.min(area.right().saturating_sub(1)), y))
}

/// One row of the text, with what is selected of it.
fn draw_row(
    model: &Model,
    buffer: &mut Buffer,
    area: Rect,
    text: &str,
    row: &Range<usize>,
    selected: &[Range<usize>],
) {
    let plain = style::of(model, Tone::Plain);
    let chosen = style::chosen(plain);
    let mut x = area.x;
    if row.is_empty() && selected.contains(row) {
        put(buffer, area, x, area.y, " ", chosen);
    }
    for (at, grapheme) in text[row.clone()].grapheme_indices(true) {
        let (start, end) = (row.start + at, row.start + at + grapheme.len());
        let within = selected.iter().any(|range| range.start < end && start < range.end);
        let style = if within { chosen } else { plain };
        x = match grapheme {
            "\t" => put(buffer, area, x, area.y, "→", style),
            _ if grapheme.chars().all(char::is_control) => {
                put(buffer, area, x, area.y, "\u{fffd}", style)
            }
            _ => put(buffer, area, x, area.y, grapheme, style),
        };
    }
}
