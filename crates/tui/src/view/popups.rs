//! What lies over the conversation: finder, command line, help, details, results, reactions.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::{bordered, fill, put, put_right, style};
use crate::commands::find_typed;
use crate::finder;
use crate::help;
use crate::layout::{self, Panes};
use crate::line_edit::LineEdit;
use crate::markdown::Look;
use crate::model::{
    CommandLine, Completion, Details, EMOJI, Finder, Help, Model, Over, Reactions, Results,
    ResultsFrom, Tone,
};
use crate::rows;
use crate::tutor::{self, LESSONS};
use crate::which_key;
use crate::words;
use crate::wrap;

/// In a narrower list only the names are shown.
const NOTE_COLUMNS_MIN: u16 = 36;
/// A column of the keys that may follow has so much room for words at least.
const WHICH_KEY_COLUMNS_MIN: usize = 10;
/// Completions that are shown at a time.
const COMPLETION_ROWS_MAX: usize = 10;

/// Draws what is open and says where its cursor is.
pub(super) fn draw(
    model: &Model,
    buffer: &mut Buffer,
    area: Rect,
    panes: &Panes,
) -> Option<Position> {
    match model.over.as_ref()? {
        Over::Finder(open) => draw_finder(model, buffer, area, open),
        Over::CommandLine(prompt) => draw_line(model, buffer, area, panes, prompt),
        Over::Search(line) => {
            let bottom = lowest(area);
            fill(buffer, bottom, bottom.y, " ", style::of(model, Tone::Plain));
            draw_edit(model, buffer, bottom, "/", line)
        }
        Over::Help(open) => {
            draw_help(model, buffer, area, open);
            let line = open.line.as_ref()?;
            let bottom = lowest(area);
            fill(buffer, bottom, bottom.y, " ", style::of(model, Tone::Plain));
            draw_edit(model, buffer, bottom, "/", line)
        }
        Over::Details(details) => {
            draw_details(model, buffer, area, details);
            None
        }
        Over::Results(results) => {
            draw_results(model, buffer, area, results);
            None
        }
        Over::Reactions(reactions) => draw_reactions(model, buffer, area, reactions),
    }
}

/// A line that is being edited; scrolled so that the cursor is on it.
fn draw_edit(
    model: &Model,
    buffer: &mut Buffer,
    area: Rect,
    prompt: &str,
    line: &LineEdit,
) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let x = put(buffer, area, area.x, area.y, prompt, style::bold(style::of(model, Tone::Accent)));
    let room = usize::from(area.right().saturating_sub(x)).max(1);
    let rows = wrap::rows(&line.text, room.saturating_sub(1).max(1));
    let row = rows.iter().rposition(|row| row.start <= line.cursor).unwrap_or(0);
    let start = rows[row].start;
    put(buffer, area, x, area.y, &line.text[rows[row].clone()], style::of(model, Tone::Plain));
    let column = wrap::width(&line.text[start..line.cursor.max(start)]).min(room - 1) as u16;
    Some(Position::new((x + column).min(area.right() - 1), area.y))
}

fn draw_finder(model: &Model, buffer: &mut Buffer, area: Rect, open: &Finder) -> Option<Position> {
    let rows = finder::candidates(model);
    let popup = layout::popup(area, 64, 18);
    let title = if open.friends_only { "friends" } else { "find" };
    bordered(buffer, popup, title, style::of(model, Tone::Accent));
    let inside = layout::inside(popup);
    let cursor =
        draw_edit(model, buffer, Rect { height: inside.height.min(1), ..inside }, "> ", &open.line);
    let list = Rect {
        y: inside.y + inside.height.min(1),
        height: inside.height.saturating_sub(1),
        ..inside
    };
    let dim = style::of(model, Tone::Dim);
    if rows.is_empty() {
        let text = match open.searching {
            true => "searching …",
            false => "nobody here; Tab searches everybody",
        };
        put(buffer, list, list.x + 2, list.y, text, dim);
    }
    let selected = open.selected.min(rows.len().saturating_sub(1));
    let first = (selected + 1).saturating_sub(usize::from(list.height));
    for (y, (index, row)) in (list.top()..list.bottom()).zip(rows.iter().enumerate().skip(first)) {
        let mut plain = style::of(model, Tone::Plain);
        if index == selected {
            plain = style::chosen(plain);
        }
        let pointer = if index == selected { "> " } else { "  " };
        let x = put(buffer, list, list.x, y, pointer, style::of(model, Tone::Accent));
        let note = if list.width < NOTE_COLUMNS_MIN { "" } else { row.note };
        let note_columns = wrap::width(note) + 2;
        let room = usize::from(list.width).saturating_sub(2 + note_columns);
        let label = wrap::cut(&wrap::steady(&row.label), room);
        let x = put(buffer, list, x, y, &label, plain);
        let left = room.saturating_sub(wrap::width(&label) + 2);
        let name = wrap::cut(&wrap::steady(&row.name), left);
        let x = put(buffer, list, x + 2, y, &name, dim);
        put_right(buffer, list, x, y, &format!("{note} "), dim);
    }
    cursor
}

fn lowest(area: Rect) -> Rect {
    Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area }
}

/// The command line takes the lowest row; above it what the typed command is for.
fn draw_line(
    model: &Model,
    buffer: &mut Buffer,
    area: Rect,
    panes: &Panes,
    prompt: &CommandLine,
) -> Option<Position> {
    let bottom = lowest(area);
    fill(buffer, bottom, bottom.y, " ", style::of(model, Tone::Plain));
    if let Some(completion) = &prompt.completion {
        draw_completion(model, buffer, area, completion);
        return draw_edit(model, buffer, bottom, ":", &prompt.line);
    }
    if !panes.hints.is_empty() && model.notice.is_none() {
        let name = prompt.line.text.split_whitespace().next().unwrap_or("");
        let help = match find_typed(name.trim_end_matches('!')) {
            Ok(row) if !name.is_empty() => {
                format!(" :{} {}   {}", row.name, row.arguments, row.help)
            }
            Ok(_) => String::new(),
            Err(_) if name.is_empty() => " Tab shows the commands, one after the other".into(),
            Err(why) => format!(" {why}"),
        };
        fill(buffer, panes.status, panes.status.y, " ", style::of(model, Tone::Plain));
        let dim = style::of(model, Tone::Dim);
        put(buffer, panes.status, panes.status.x, panes.status.y, &help, dim);
    }
    draw_edit(model, buffer, bottom, ":", &prompt.line)
}

/// What Tab offers, above the command line, around what it shows now.
fn draw_completion(model: &Model, buffer: &mut Buffer, area: Rect, completion: &Completion) {
    // the last row is what was typed: it stands on the line itself
    let rows = completion.rows.split_last().map_or(&[][..], |(_, rows)| rows);
    let height =
        rows.len().min(COMPLETION_ROWS_MAX).min(usize::from(area.height).saturating_sub(3));
    if height == 0 {
        return;
    }
    let word_columns = rows.iter().map(|row| wrap::width(&row.word)).max().unwrap_or(0);
    let widest = rows.iter().map(|row| wrap::width(&row.help)).max().unwrap_or(0);
    let width = u16::try_from(word_columns + widest + 6).unwrap_or(u16::MAX).min(area.width);
    let rows_shown = u16::try_from(height + 2).unwrap_or(u16::MAX);
    let y = area.bottom().saturating_sub(rows_shown + 1);
    let popup = Rect { x: area.x, y, width, height: rows_shown };
    let title = format!("{} of {}", (completion.at + 1).min(rows.len()), rows.len());
    bordered(buffer, popup, &title, style::of(model, Tone::Dim));
    let inside = layout::inside(popup);
    let first = (completion.at.min(rows.len() - 1) + 1).saturating_sub(height);
    let shown = rows.iter().enumerate().skip(first);
    for (y, (index, row)) in (inside.top()..inside.bottom()).zip(shown) {
        let mut plain = style::of(model, Tone::Plain);
        if index == completion.at {
            plain = style::chosen(plain);
        }
        let word = wrap::cut(&wrap::steady(&row.word), word_columns);
        put(buffer, inside, inside.x + 1, y, &word, plain);
        let x = inside.x.saturating_add(u16::try_from(word_columns + 3).unwrap_or(u16::MAX));
        put(buffer, inside, x, y, &wrap::steady(&row.help), style::of(model, Tone::Dim));
    }
}

fn draw_help(model: &Model, buffer: &mut Buffer, area: Rect, open: &Help) {
    let popup = layout::popup(area, u16::MAX, area.height.saturating_sub(2));
    let title = match open.filter.as_str() {
        "" => "keys and commands; / searches".to_string(),
        filter => format!("keys and commands with “{filter}”"),
    };
    bordered(buffer, popup, &title, style::of(model, Tone::Accent));
    let inside = layout::inside(popup);
    let lines = help::lines(&model.settings.keymap, layout::popup_columns(area), &open.filter);
    let last = lines.len().saturating_sub(usize::from(inside.height));
    for (y, line) in (inside.top()..inside.bottom()).zip(lines.iter().skip(open.scroll.min(last))) {
        let tone = if line.heading { Tone::Accent } else { Tone::Plain };
        put(buffer, inside, inside.x + 1, y, &line.text, style::of(model, tone));
    }
}

/// What the tutor says, and how far one is.
pub(super) fn draw_tutor(model: &Model, buffer: &mut Buffer, area: Rect) {
    let (Some(at), Some(text)) = (model.tutor, tutor::text(model)) else {
        return;
    };
    let good = style::of(model, Tone::Good);
    let (inside, columns) = match layout::has_edges(model.area()) {
        true => {
            let title = format!("tutor {} of {}", at + 1, LESSONS.len());
            bordered(buffer, area, &title, good);
            let inside = layout::inside(area);
            (Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside }, 4)
        }
        false => (area, 0),
    };
    let rows = wrap::rows(text, usize::from(area.width.saturating_sub(columns)).max(1));
    for (y, row) in (inside.top()..inside.bottom()).zip(rows) {
        let line = Rect { y, height: 1, ..inside };
        fill(buffer, line, y, " ", Style::reset());
        put(buffer, line, line.x, y, &text[row], style::of(model, Tone::Plain));
    }
}

/// The keys that may follow what was pressed, at the lower right; side by side where there are too
/// many for one column.
pub(super) fn draw_which_key(model: &Model, buffer: &mut Buffer, area: Rect) {
    let (title, rows) = which_key::rows(model);
    let widest =
        |column: fn(&(String, String)) -> usize| rows.iter().map(column).max().unwrap_or(0);
    let keys_columns = widest(|row| wrap::width(&row.0));
    let whole = keys_columns + 2 + widest(|row| wrap::width(&row.1));
    // the lowest row shows what was pressed
    let room = usize::from(area.height.saturating_sub(3)).max(1);
    // columns that are cut are better than rows that are not there
    let columns = usize::from(area.width.saturating_sub(2));
    let narrowest = keys_columns + 2 + WHICH_KEY_COLUMNS_MIN;
    let beside = rows.len().div_ceil(room).min(columns / (narrowest + 2)).max(1);
    let one = whole.min((columns / beside).saturating_sub(2));
    let height = rows.len().div_ceil(beside).min(room);
    let width = u16::try_from(beside * (one + 2) + 2).unwrap_or(u16::MAX).min(area.width);
    let popup_height = u16::try_from(height + 2).unwrap_or(u16::MAX).min(area.height);
    let popup = Rect {
        x: area.right() - width,
        y: area.bottom().saturating_sub(popup_height + 1),
        width,
        height: popup_height,
    };
    bordered(buffer, popup, &title, style::of(model, Tone::Accent));
    let inside = layout::inside(popup);
    let key_style = style::bold(style::of(model, Tone::Plain));
    for (index, (keys, help)) in rows.iter().enumerate().take(height * beside) {
        let y = inside.y + (index % height) as u16;
        let column = index / height * (one + 2) + 1;
        let x = inside.x.saturating_add(u16::try_from(column).unwrap_or(u16::MAX));
        put(buffer, inside, x, y, keys, key_style);
        let x = x.saturating_add(u16::try_from(keys_columns + 2).unwrap_or(u16::MAX));
        let help = wrap::cut(help, one.saturating_sub(keys_columns + 2));
        put(buffer, inside, x, y, &help, style::of(model, Tone::Dim));
    }
}

fn draw_details(model: &Model, buffer: &mut Buffer, area: Rect, details: &Details) {
    let lines = help::wrapped(&details.lines, layout::popup_columns(area));
    let widest = lines.iter().map(|line| wrap::width(line)).max().unwrap_or(0);
    let columns = u16::try_from(widest + 4).unwrap_or(u16::MAX).max(40);
    let rows = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let popup = layout::popup(area, columns, rows.min(area.height.saturating_sub(2)));
    bordered(buffer, popup, &details.title, style::of(model, Tone::Accent));
    let inside = layout::inside(popup);
    let last = lines.len().saturating_sub(usize::from(inside.height));
    let shown = lines.iter().skip(details.scroll.min(last));
    for (y, line) in (inside.top()..inside.bottom()).zip(shown) {
        put(buffer, inside, inside.x + 1, y, line, style::of(model, Tone::Plain));
    }
}

fn draw_results(model: &Model, buffer: &mut Buffer, area: Rect, results: &Results) {
    let popup = layout::popup(area, u16::MAX, area.height.saturating_sub(2));
    let title = format!("{}: {} found", results.title, results.messages.len());
    bordered(buffer, popup, &title, style::of(model, Tone::Accent));
    let inside = layout::inside(popup);
    let dim = style::of(model, Tone::Dim);
    // where there is one row only, it is for what was found
    let notes = u16::from(inside.height > 1 || results.messages.is_empty());
    let (list, foot) = (
        Rect { height: inside.height.saturating_sub(notes), ..inside },
        Rect { y: inside.bottom().saturating_sub(1), height: inside.height.min(notes), ..inside },
    );
    let note = match &results.from {
        _ if results.searching => "searching …".to_string(),
        ResultsFrom::Here { below: None, .. } => "that is all on this machine".into(),
        ResultsFrom::Here { below: Some(below), .. } => {
            let at = words::moment(below.sent_at, model.now, &model.zone);
            format!("searched back to {at}; m goes on")
        }
        ResultsFrom::Server { scanned_to: 0, .. } => "that is all".into(),
        ResultsFrom::Server { scanned_to, .. } => {
            format!("searched back to number {scanned_to}; m goes on")
        }
    };
    put(buffer, foot, foot.x + 1, foot.y, &note, dim);
    let selected = results.selected.min(results.messages.len().saturating_sub(1));
    let first = (selected + 1).saturating_sub(usize::from(list.height));
    let shown = results.messages.iter().enumerate().skip(first);
    for (y, (index, message)) in (list.top()..list.bottom()).zip(shown) {
        let when = words::moment(message.sent_at, model.now, &model.zone);
        let head = format!(" {when:>12}  {}  ", words::found_in(model, message));
        let mut x = put(buffer, list, list.x, y, &head, dim);
        let room = usize::from(list.right().saturating_sub(x));
        for run in rows::excerpt(results, message, room) {
            let found = run.look.has(Look::FOUND);
            let mut look = style::of(model, Tone::Plain);
            if found != (index == selected) {
                look = style::chosen(look);
            }
            x = put(buffer, list, x, y, &run.text, look);
        }
    }
}

fn draw_reactions(
    model: &Model,
    buffer: &mut Buffer,
    area: Rect,
    reactions: &Reactions,
) -> Option<Position> {
    let popup = layout::popup(area, 46, 4);
    let title = format!("react to #{}", reactions.seq);
    bordered(buffer, popup, &title, style::of(model, Tone::Accent));
    let inside = layout::inside(popup);
    let mut x = inside.x + 1;
    for (number, emoji) in (1..).zip(EMOJI) {
        x = put(buffer, inside, x, inside.y, &format!("{number}"), style::of(model, Tone::Accent));
        x = put(buffer, inside, x, inside.y, emoji, style::of(model, Tone::Plain)) + 2;
    }
    let field = Rect {
        y: inside.y + inside.height.min(1),
        height: inside.height.saturating_sub(1).min(1),
        ..inside
    };
    draw_edit(model, buffer, field, "> ", &reactions.line)
}
