//! A picture of a terminal's screen, for the documentation: what the emulator holds, as SVG.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

const CELL_WIDTH: f32 = 8.4;
const CELL_HEIGHT: f32 = 18.0;
const FONT_SIZE: u8 = 14;
/// From the top of a cell to the line that letters stand on.
const BASELINE: f32 = 13.5;
/// Around the screen.
const MARGIN: f32 = 10.0;

/// Red, green, blue.
type Rgb = (u8, u8, u8);

const GROUND: Rgb = (0x1b, 0x1e, 0x25);
const TEXT: Rgb = (0xd3, 0xd7, 0xde);
/// The sixteen colours of a terminal.
const COLOURS: [Rgb; 16] = [
    (0x2a, 0x2e, 0x37),
    (0xe4, 0x6b, 0x6b),
    (0x8c, 0xc2, 0x72),
    (0xdf, 0xb4, 0x5f),
    (0x63, 0xa6, 0xe8),
    (0xc3, 0x84, 0xdc),
    (0x55, 0xbd, 0xc4),
    (0xc8, 0xcc, 0xd4),
    (0x6d, 0x74, 0x80),
    (0xf0, 0x8a, 0x8a),
    (0xa6, 0xd9, 0x8d),
    (0xef, 0xcb, 0x84),
    (0x8a, 0xc0, 0xf5),
    (0xd8, 0xa6, 0xec),
    (0x7f, 0xd6, 0xdc),
    (0xf2, 0xf4, 0xf7),
];

/// How cells are drawn; those beside each other that are drawn alike are one text.
#[derive(Clone, Copy, PartialEq)]
struct Look {
    fg: Rgb,
    bg: Rgb,
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
}

/// Cells of one look in one row.
struct Run {
    column: u16,
    columns: u16,
    text: String,
    look: Look,
}

/// The whole screen with its cursor, and what it shows in words for those who cannot see it.
pub(crate) fn svg(screen: &Screen, what: &str) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    // a theme has a ground of its own, everywhere
    let ground = screen.cell(0, 0).map_or(GROUND, |cell| look(cell).bg);
    let mut body = String::new();
    for row in 0..rows {
        for run in runs(screen, row, columns) {
            draw(&mut body, &run, row, ground);
        }
    }
    draw_cursor(&mut body, screen, ground);
    let (width, height) = (x(columns) + MARGIN, y(rows) + MARGIN);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"{FONT_SIZE}\" \
         xml:space=\"preserve\">\n<title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" \
         rx=\"8\" fill=\"{}\"/>\n{body}</svg>\n",
        escaped(what),
        hex(ground)
    )
}

fn runs(screen: &Screen, row: u16, columns: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation())
        else {
            continue;
        };
        let (look, width) = (look(cell), if cell.is_wide() { 2 } else { 1 });
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match runs.last_mut() {
            Some(run) if run.look == look && joins(&run.text, text) => {
                run.text.push_str(text);
                run.columns += width;
            }
            _ => runs.push(Run { column, columns: width, text: text.to_owned(), look }),
        }
    }
    runs
}

/// Fonts do not agree on the width of anything but ASCII: the rest stands where its cell is, but
/// for lines, which are one character over and over.
fn joins(before: &str, text: &str) -> bool {
    let line = text.chars().all(|c| "─│═".contains(c)) && before.ends_with(text);
    (before.is_ascii() && text.is_ascii()) || (line && before.starts_with(text))
}

fn look(cell: &Cell) -> Look {
    let (fg, bg) = (colour(cell.fgcolor(), TEXT), colour(cell.bgcolor(), GROUND));
    let (fg, bg) = if cell.inverse() { (bg, fg) } else { (fg, bg) };
    Look {
        fg,
        bg,
        bold: cell.bold(),
        dim: cell.dim(),
        italic: cell.italic(),
        underline: cell.underline(),
    }
}

fn colour(colour: Color, default: Rgb) -> Rgb {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match colour {
        Color::Default => default,
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Idx(index @ ..16) => COLOURS[usize::from(index)],
        Color::Idx(index @ 16..232) => {
            let step = |by: u8| STEPS[usize::from((index - 16) / by % 6)];
            (step(36), step(6), step(1))
        }
        Color::Idx(index) => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
    }
}

fn draw(out: &mut String, run: &Run, row: u16, ground: Rgb) {
    let (left, width) = (x(run.column), f32::from(run.columns) * CELL_WIDTH);
    if run.look.bg != ground {
        let (top, fill) = (y(row), hex(run.look.bg));
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{CELL_HEIGHT}\" \
             fill=\"{fill}\"/>"
        );
    }
    // Blanks at the ends are not drawn: where a viewer drops them, what is left would be stretched.
    let text = run.text.trim_matches(' ');
    if text.is_empty() {
        return;
    }
    let blanks = (run.text.len() - run.text.trim_start_matches(' ').len()) as f32;
    let left = left + blanks * CELL_WIDTH;
    let width = width - (run.text.len() - text.len()) as f32 * CELL_WIDTH;
    let mut more = String::new();
    for (set, attribute) in [
        (run.look.bold, " font-weight=\"bold\""),
        (run.look.dim, " opacity=\"0.6\""),
        (run.look.italic, " font-style=\"italic\""),
        (run.look.underline, " text-decoration=\"underline\""),
    ] {
        more.push_str(if set { attribute } else { "" });
    }
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" \
         lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"{more}>{}</text>",
        y(row) + BASELINE,
        hex(run.look.fg),
        escaped(text).replace("  ", "&#160;&#160;")
    );
}

fn draw_cursor(out: &mut String, screen: &Screen, ground: Rgb) {
    if screen.hide_cursor() {
        return;
    }
    let (row, column) = screen.cursor_position();
    let _ = writeln!(
        out,
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"2\" height=\"{CELL_HEIGHT}\" fill=\"{}\"/>",
        x(column),
        y(row),
        hex(if ground == GROUND { TEXT } else { (0x8a, 0x8a, 0x8a) })
    );
}

fn x(column: u16) -> f32 {
    MARGIN + f32::from(column) * CELL_WIDTH
}

fn y(row: u16) -> f32 {
    MARGIN + f32::from(row) * CELL_HEIGHT
}

fn hex((r, g, b): Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
