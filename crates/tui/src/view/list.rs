//! The left column: conversations, friends without one, requests.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{put, put_right, style};
use crate::model::{ListRow, Model, Place, Tone, mentioned, unread};
use crate::words::{self, Words};
use crate::wrap;

/// A heading or a row that can be chosen, by its place among those.
enum Entry {
    Heading(&'static str),
    Row(usize, ListRow),
}

pub(super) fn draw(model: &Model, buffer: &mut Buffer, area: Rect, rule: Rect) {
    let dim = style::of(model, Tone::Dim);
    for y in rule.top()..rule.bottom() {
        put(buffer, rule, rule.x, y, "│", dim);
    }
    if area.is_empty() {
        return;
    }
    let rows = model.list_rows();
    let chosen = model.list_index(&rows);
    let entries = entries(&rows);
    let at = entries.iter().position(|e| matches!(e, Entry::Row(index, _) if *index == chosen));
    let height = usize::from(area.height);
    // the chosen row stays on the screen, the first heading with it as long as possible
    let first = at.unwrap_or(0).saturating_sub(height - 1);
    for (y, entry) in (area.top()..area.bottom()).zip(entries.iter().skip(first)) {
        match entry {
            Entry::Heading(text) => {
                put(buffer, area, area.x, y, text, dim);
            }
            Entry::Row(index, row) => {
                let line = Rect { y, height: 1, ..area };
                draw_row(model, buffer, line, *row, *index == chosen);
            }
        }
    }
    if rows.is_empty() {
        put(buffer, area, area.x, area.y, " nobody here yet", dim);
        put(buffer, area, area.x, area.y + 1, " f finds people", dim);
    }
}

fn entries(rows: &[ListRow]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut heading = "";
    for (index, row) in rows.iter().enumerate() {
        let own = match row {
            ListRow::Conversation(_) => " CONVERSATIONS",
            ListRow::Friend(_) => " FRIENDS",
            ListRow::Request(_) | ListRow::Asked(_) => " REQUESTS",
        };
        if own != heading {
            entries.push(Entry::Heading(own));
            heading = own;
        }
        entries.push(Entry::Row(index, *row));
    }
    entries
}

fn draw_row(model: &Model, buffer: &mut Buffer, area: Rect, row: ListRow, chosen: bool) {
    let open = model.chat.as_ref().map(|chat| chat.conv_id);
    let here = matches!(row, ListRow::Conversation(conv_id) if Some(conv_id) == open);
    let pointer = if here { ">" } else { " " };
    let looks = looks(model, row);
    let mut plain = style::of(model, Tone::Plain);
    if looks.loud {
        plain = style::bold(plain);
    }
    if chosen && model.place == Place::List && model.over.is_none() {
        plain = style::chosen(plain);
    }
    let accent = style::of(model, Tone::Accent);
    put(buffer, area, area.x, area.y, pointer, accent);
    let mark_style = style::of(model, looks.mark.tone);
    put(buffer, area, area.x + 1, area.y, &looks.mark.text, mark_style);
    let right_columns = wrap::width(&looks.right) + 2;
    let room = usize::from(area.width).saturating_sub(3 + right_columns);
    // the rest of the screen stands to the right of this: no character of disputed width
    let label = wrap::cut(&wrap::steady(&looks.label), room);
    let x = put(buffer, area, area.x + 3, area.y, &label, plain);
    let tone = if looks.loud { Tone::Accent } else { Tone::Dim };
    let right = format!("{} ", looks.right);
    put_right(buffer, area, x, area.y, &right, style::of(model, tone));
}

/// What a row of the list is made of.
struct Looks {
    mark: Words,
    label: String,
    right: String,
    /// There is something to do here.
    loud: bool,
}

fn looks(model: &Model, row: ListRow) -> Looks {
    match row {
        ListRow::Conversation(conv_id) => {
            let conversation = model.conversation(conv_id);
            let friend_id = conversation.map_or(0, |conversation| conversation.friend_id);
            let count = conversation.map_or(0, unread);
            let right = match (count, conversation.is_some_and(mentioned)) {
                (0, _) => away(model, friend_id),
                (count, true) => format!("@{count}"),
                (count, false) => count.to_string(),
            };
            let label = conversation.map_or_else(String::new, |c| words::title(model, c));
            let mark = match friend_id {
                0 => Words { text: " ".into(), tone: Tone::Dim },
                friend_id => words::presence(model, friend_id),
            };
            Looks { mark, label, right, loud: count > 0 }
        }
        ListRow::Friend(user_id) => Looks {
            mark: words::presence(model, user_id),
            label: words::handle(model, user_id),
            right: away(model, user_id),
            loud: false,
        },
        ListRow::Request(user_id) => Looks {
            mark: Words { text: "+".into(), tone: Tone::Warn },
            label: words::handle(model, user_id),
            right: String::new(),
            loud: true,
        },
        ListRow::Asked(user_id) => Looks {
            mark: Words { text: "…".into(), tone: Tone::Dim },
            label: words::handle(model, user_id),
            right: String::new(),
            loud: false,
        },
    }
}

/// How long a friend has been away: `3h`.
fn away(model: &Model, user_id: i64) -> String {
    match model.people.get(&user_id) {
        Some(person) if !person.online && person.last_seen > 0 => {
            words::ago(person.last_seen, model.now)
        }
        _ => String::new(),
    }
}
