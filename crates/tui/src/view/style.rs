//! Tones as colours: the terminal's own sixteen, or those of a theme; without colours as bold, dim
//! and reversed.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::markdown::Look;
use crate::model::{Colors, Model, Tone};
use crate::settings::Theme;

/// Red, green, blue.
type Rgb = (u8, u8, u8);

/// The colours of a theme. Every tone can be read on the ground; a test holds that.
struct Palette {
    ground: Rgb,
    plain: Rgb,
    dim: Rgb,
    good: Rgb,
    warn: Rgb,
    bad: Rgb,
    accent: Rgb,
}

const DARK: Palette = Palette {
    ground: (0x16, 0x18, 0x1d),
    plain: (0xd4, 0xd7, 0xdd),
    dim: (0x84, 0x8a, 0x96),
    good: (0x8f, 0xc3, 0x79),
    warn: (0xe0, 0xb0, 0x5c),
    bad: (0xef, 0x7a, 0x74),
    accent: (0x6c, 0xb6, 0xe0),
};

const LIGHT: Palette = Palette {
    ground: (0xfa, 0xf8, 0xf4),
    plain: (0x2b, 0x2d, 0x33),
    dim: (0x66, 0x6a, 0x72),
    good: (0x26, 0x6e, 0x34),
    warn: (0x84, 0x5a, 0x06),
    bad: (0xb3, 0x26, 0x1e),
    accent: (0x0b, 0x61, 0x9b),
};

impl Palette {
    fn of(&self, tone: Tone) -> Rgb {
        match tone {
            Tone::Plain => self.plain,
            Tone::Dim => self.dim,
            Tone::Good => self.good,
            Tone::Warn => self.warn,
            Tone::Bad => self.bad,
            Tone::Accent => self.accent,
        }
    }
}

/// None: the terminal's own colours, or none at all.
fn palette(model: &Model) -> Option<&'static Palette> {
    match (model.colors, model.settings.theme) {
        (Colors::None, _) | (_, Theme::Terminal) => None,
        (_, Theme::Dark) => Some(&DARK),
        (_, Theme::Light) => Some(&LIGHT),
    }
}

pub(super) fn of(model: &Model, tone: Tone) -> Style {
    let weight = match tone {
        Tone::Bad | Tone::Accent => Modifier::BOLD,
        Tone::Plain | Tone::Dim | Tone::Good | Tone::Warn => Modifier::empty(),
    };
    if let Some(palette) = palette(model) {
        let color = color(model.colors, palette.of(tone));
        return Style::new().fg(color).add_modifier(weight);
    }
    let plain = Style::new();
    let colored = |color| match model.colors {
        Colors::None => plain.add_modifier(weight),
        Colors::Table | Colors::True => plain.fg(color).add_modifier(weight),
    };
    match tone {
        Tone::Plain => plain,
        Tone::Dim => plain.add_modifier(Modifier::DIM),
        Tone::Good => colored(Color::Green),
        Tone::Warn => colored(Color::Yellow),
        Tone::Bad => colored(Color::Red),
        Tone::Accent => colored(Color::Cyan),
    }
}

/// Puts the theme's ground under everything that was drawn without one.
pub(super) fn ground(model: &Model, buffer: &mut Buffer) {
    let Some(palette) = palette(model) else {
        return;
    };
    let (plain, ground) = (color(model.colors, palette.plain), color(model.colors, palette.ground));
    for cell in &mut buffer.content {
        if cell.fg == Color::Reset {
            cell.fg = plain;
        }
        if cell.bg == Color::Reset {
            cell.bg = ground;
        }
    }
}

fn color(colors: Colors, rgb: Rgb) -> Color {
    match colors {
        Colors::None | Colors::True => Color::Rgb(rgb.0, rgb.1, rgb.2),
        Colors::Table => Color::Indexed(nearest(rgb)),
    }
}

/// The steps of the cube of 216 colours in the table of 256.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// The colour of the table that is nearest: of its cube, or of its greys.
fn nearest(rgb: Rgb) -> u8 {
    let far = |a: u8, b: u8| i32::from(a.abs_diff(b)).pow(2);
    let distance = |(r, g, b): Rgb| far(r, rgb.0) + far(g, rgb.1) + far(b, rgb.2);
    let step = |value: u8| {
        let steps = (0..6_u8).zip(STEPS);
        steps.min_by_key(|(_, step)| step.abs_diff(value)).map_or((0, 0), |found| found)
    };
    let (r, g, b) = (step(rgb.0), step(rgb.1), step(rgb.2));
    let cube = (distance((r.1, g.1, b.1)), 16 + 36 * r.0 + 6 * g.0 + b.0);
    let greys = (0..24_u8).map(|n| {
        let grey = 8 + 10 * n;
        (distance((grey, grey, grey)), 232 + n)
    });
    greys.fold(cube, |best, grey| if grey.0 < best.0 { grey } else { best }).1
}

/// A text as it is meant. Colours carry nothing that is not also bold, dim, underlined or a sign.
pub(super) fn look(model: &Model, look: Look) -> Style {
    let tone = match look {
        _ if look.has(Look::QUIET) => Tone::Dim,
        _ if look.has(Look::QUOTE) => Tone::Dim,
        _ if look.has(Look::CODE) => Tone::Warn,
        _ => Tone::Plain,
    };
    let mut style = of(model, tone);
    for (part, modifier) in [
        (Look::BOLD, Modifier::BOLD),
        (Look::ITALIC, Modifier::ITALIC),
        (Look::STRUCK, Modifier::CROSSED_OUT),
        (Look::LINK, Modifier::UNDERLINED),
        (Look::FOUND, Modifier::REVERSED),
    ] {
        if look.has(part) {
            style = style.add_modifier(modifier);
        }
    }
    style
}

/// What has the cursor.
pub(super) fn chosen(style: Style) -> Style {
    style.add_modifier(Modifier::REVERSED)
}

pub(super) fn bold(style: Style) -> Style {
    style.add_modifier(Modifier::BOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How light a colour is to the eye, 0 to 1, as WCAG 2 counts.
    fn lightness((r, g, b): Rgb) -> f64 {
        let linear = |value: u8| {
            let part = f64::from(value) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    }

    #[test]
    fn every_tone_of_a_theme_can_be_read_on_its_ground() {
        let tones = [Tone::Plain, Tone::Dim, Tone::Good, Tone::Warn, Tone::Bad, Tone::Accent];
        for palette in [&DARK, &LIGHT] {
            for tone in tones {
                let (a, b) = (lightness(palette.of(tone)), lightness(palette.ground));
                let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                assert!(contrast >= 4.5, "{tone:?} has a contrast of {contrast:.1}");
            }
        }
    }

    #[test]
    fn a_terminal_without_true_colours_gets_the_nearest_of_its_table() {
        for (rgb, index) in
            [((0, 0, 0), 16), ((255, 255, 255), 231), ((255, 0, 0), 196), ((0x16, 0x18, 0x1d), 234)]
        {
            assert_eq!(nearest(rgb), index, "{rgb:?}");
        }
    }
}
