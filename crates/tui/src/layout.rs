//! Where things are on the screen. Used by the drawing and by the movements, so that both agree.

use ratatui::layout::Rect;

use crate::model::{Model, Over, Place};
use crate::tutor;
use crate::wrap;

/// Narrower than this: the list is not shown.
pub const LIST_SCREEN_COLUMNS_MIN: u16 = 70;
/// Smaller than this: only messages and box.
const FULL_COLUMNS_MIN: u16 = 40;
const FULL_ROWS_MIN: u16 = 8;
/// Lower than this: no row of hints.
const HINT_ROWS_MIN: u16 = 12;
const LIST_COLUMNS: u16 = 22;

/// The parts of the main screen. Any of them may be empty; none reaches beyond the area.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Panes {
    pub title: Rect,
    pub list: Rect,
    /// The line between list and messages.
    pub rule: Rect,
    pub messages: Rect,
    /// Who is typing, and how much is below.
    pub typing: Rect,
    /// The upper edge of the box, with the mode.
    pub edge: Rect,
    pub input: Rect,
    pub status: Rect,
    /// Hints, or the command line.
    pub hints: Rect,
}

/// The same size always gives the same panes, but for the height of the box.
pub fn panes(model: &Model, area: Rect) -> Panes {
    let full = area.width >= FULL_COLUMNS_MIN && area.height >= FULL_ROWS_MIN;
    match full {
        true => full_panes(model, area),
        false => small_panes(model, area),
    }
}

fn full_panes(model: &Model, area: Rect) -> Panes {
    let (title, rest) = split_top(area, 1);
    let (rest, hints) = split_bottom(rest, u16::from(area.height >= HINT_ROWS_MIN));
    let (rest, status) = split_bottom(rest, 1);
    let list_columns = if area.width >= LIST_SCREEN_COLUMNS_MIN { LIST_COLUMNS } else { 0 };
    let (list, right) = split_left(rest, list_columns);
    let (rule, right) = split_left(right, u16::from(list_columns > 0));
    let (right, input) = split_bottom(right, box_rows(model, right));
    let (right, edge) = split_bottom(right, 1);
    let (messages, typing) = split_bottom(right, u16::from(area.height >= HINT_ROWS_MIN));
    Panes { title, list, rule, messages, typing, edge, input, status, hints }
}

/// One row: the box while writing, else a message. Two rows: both. More: an edge between them.
fn small_panes(model: &Model, area: Rect) -> Panes {
    let input_rows = match area.height {
        0 => 0,
        1 => u16::from(model.place == Place::Compose || model.over.is_some()),
        _ => box_rows(model, area),
    };
    let (rest, input) = split_bottom(area, input_rows);
    let (messages, edge) = split_bottom(rest, u16::from(area.height > 2));
    Panes { messages, edge, input, ..Panes::default() }
}

/// The box grows with its text up to a third of the height.
fn box_rows(model: &Model, right: Rect) -> u16 {
    let rows = wrap::rows(&model.composer.text, input_columns(right)).len();
    u16::try_from(rows).unwrap_or(u16::MAX).min(right.height / 3).max(1)
}

/// Columns of text in the box: a blank on its left, and room for the cursor behind the last
/// character.
pub fn input_columns(input: Rect) -> usize {
    usize::from(input.width.saturating_sub(2)).max(1)
}

/// Where popups and lines may be: the whole screen, but for what the tutor says below a popup.
pub fn popups(model: &Model) -> Rect {
    let area = model.area();
    match stands_below(model) {
        true => Rect { height: lesson(model).y, ..area },
        false => area,
    }
}

/// Where the tutor speaks: over the upper rows of the conversation, and below a popup, so that
/// neither covers the other. Empty without a lesson.
pub fn lesson(model: &Model) -> Rect {
    let (area, panes) = (model.area(), panes(model, model.area()));
    let Some(text) = tutor::text(model) else {
        return Rect::default();
    };
    let (room, rows_max) = match stands_below(model) {
        true => (Rect { height: area.height - panes.hints.height, ..area }, area.height / 2),
        false => (panes.messages, panes.messages.height),
    };
    let edges = if has_edges(area) { 2 } else { 0 };
    let columns = usize::from(room.width.saturating_sub(2 * edges)).max(1);
    let rows = u16::try_from(wrap::rows(text, columns).len()).unwrap_or(u16::MAX);
    let height = rows.saturating_add(edges).min(rows_max);
    match stands_below(model) {
        true => Rect { y: room.bottom() - height, height, ..room },
        false => Rect { height, ..room },
    }
}

/// A line at the foot of the screen leaves the conversation to be seen; everything else that is
/// open covers it.
fn stands_below(model: &Model) -> bool {
    let over = model.over.as_ref().filter(|_| model.tutor.is_some());
    over.is_some_and(|over| !matches!(over, Over::CommandLine(_) | Over::Search(_)))
}

/// On a small screen every cell is needed.
pub fn has_edges(area: Rect) -> bool {
    area.height >= FULL_ROWS_MIN
}

/// The middle of an area for a popup that wants so many columns and rows.
pub fn popup(area: Rect, columns: u16, rows: u16) -> Rect {
    let rows = if has_edges(area) { rows } else { area.height };
    let width = columns.min(area.width);
    let height = rows.min(area.height);
    let x = area.x + (area.width - width) / 2;
    let y = area.y + (area.height - height) / 2;
    Rect::new(x, y, width, height)
}

/// Inside a border of one cell.
pub fn inside(area: Rect) -> Rect {
    let width = area.width.saturating_sub(2);
    let height = area.height.saturating_sub(2);
    Rect::new(area.x + area.width.min(1), area.y + area.height.min(1), width, height)
}

/// Rows of text that a popup over the whole screen shows.
pub fn popup_rows(area: Rect) -> usize {
    usize::from(inside(popup(area, u16::MAX, area.height.saturating_sub(2))).height)
}

/// Columns of text in such a popup: a border and a blank on either side.
pub fn popup_columns(area: Rect) -> usize {
    usize::from(area.width.saturating_sub(4)).max(1)
}

fn split_top(area: Rect, rows: u16) -> (Rect, Rect) {
    let rows = rows.min(area.height);
    let top = Rect { height: rows, ..area };
    (top, Rect { y: area.y + rows, height: area.height - rows, ..area })
}

fn split_bottom(area: Rect, rows: u16) -> (Rect, Rect) {
    let (rest, bottom) = split_top(area, area.height - rows.min(area.height));
    (rest, bottom)
}

fn split_left(area: Rect, columns: u16) -> (Rect, Rect) {
    let columns = columns.min(area.width);
    let left = Rect { width: columns, ..area };
    (left, Rect { x: area.x + columns, width: area.width - columns, ..area })
}
