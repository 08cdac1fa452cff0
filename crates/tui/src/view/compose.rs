//! The message box: its edge with the mode, and the rows around the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{fill, put, put_right, style};
use crate::composer::Mode;
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
    let badge = match (writing, model.composer.mode) {
        (false, _) => "",
        (true, Mode::Insert) => "── INSERT ",
        (true, Mode::Normal) => "── NORMAL ",
    };
    let end = put(
        buffer,
        area,
        area.x,
        area.y,
        &format!("─ {what} {badge}"),
        line,
    );
    // without a row for notices this is the place where they can be seen
    let small = layout::panes(model, *buffer.area()).status.is_empty();
    match &model.notice {
        Some(notice) if small => {
            let text = proto::clean::line(&notice.text);
            put(
                buffer,
                area,
                area.x,
                area.y,
                &text,
                style::of(model, notice.tone),
            );
        }
        _ => {
            let below = scroll::below(model);
            let small = small || layout::panes(model, *buffer.area()).typing.is_empty();
            if small && below > 0 {
                let text = format!(" ↓ {below} more ");
                put_right(
                    buffer,
                    area,
                    end,
                    area.y,
                    &text,
                    style::of(model, Tone::Accent),
                );
            }
        }
    }
}

/// Draws the rows around the cursor and says where it is.
pub(super) fn text(model: &Model, buffer: &mut Buffer, area: Rect) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let composer = &model.composer;
    if composer.text.is_empty() && model.place != Place::Compose {
        let hint = if model.chat.is_some() {
            "i writes"
        } else {
            "f finds somebody to write to"
        };
        put(
            buffer,
            area,
            area.x + 1,
            area.y,
            hint,
            style::of(model, Tone::Dim),
        );
        return None;
    }
    let rows = wrap::rows(&composer.text, layout::input_columns(area));
    let row = rows
        .iter()
        .rposition(|row| row.start <= composer.cursor)
        .unwrap_or(0);
    let height = usize::from(area.height);
    let first = (row + 1).saturating_sub(height);
    for (y, range) in (area.top()..area.bottom()).zip(rows.iter().skip(first)) {
        let text = &composer.text[range.clone()];
        put(
            buffer,
            area,
            area.x + 1,
            y,
            text,
            style::of(model, Tone::Plain),
        );
    }
    let before = &composer.text[rows[row].start..composer.cursor.max(rows[row].start)];
    let column = wrap::width(before).min(layout::input_columns(area));
    let x = area.x + 1 + column as u16;
    let y = area.y + (row - first) as u16;
    Some(Position::new(x.min(area.right().saturating_sub(1)), y))
}
