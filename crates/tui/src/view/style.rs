//! Tones as the terminal's own sixteen colours; without colours as bold, dim and reversed.

use ratatui::style::{Color, Modifier, Style};

use crate::model::{Model, Tone};

pub(super) fn of(model: &Model, tone: Tone) -> Style {
    let plain = Style::new();
    let colored = |color| if model.colors { plain.fg(color) } else { plain };
    match tone {
        Tone::Plain => plain,
        Tone::Dim => plain.add_modifier(Modifier::DIM),
        Tone::Good => colored(Color::Green),
        Tone::Warn => colored(Color::Yellow),
        Tone::Bad => colored(Color::Red).add_modifier(Modifier::BOLD),
        Tone::Accent => colored(Color::Cyan).add_modifier(Modifier::BOLD),
    }
}

/// What has the cursor.
pub(super) fn chosen(style: Style) -> Style {
    style.add_modifier(Modifier::REVERSED)
}

pub(super) fn bold(style: Style) -> Style {
    style.add_modifier(Modifier::BOLD)
}
