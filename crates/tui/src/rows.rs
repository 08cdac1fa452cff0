//! A message as rows of the screen: built only for what is visible, and measured in the same way
//! that it is drawn.

use std::ops::Range;

use client::search::{Query, Sought};
use proto::{Message, MessageKind, mention};
use unicode_segmentation::UnicodeSegmentation;

use crate::limits::SAME_HEAD_MS;
use crate::markdown::{self, Look};
use crate::model::{Chat, Item, Model, Newer, Older, Results, ResultsFrom};
use crate::words::{self, Words};
use crate::wrap;

/// Columns before the text of a message: the time, and the bar that a body cannot cross.
pub const GUTTER_COLUMNS: usize = 6;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Above the first loaded message: what is before it.
    Top(&'static str),
    Day(String),
    New(i64),
    /// `sender` is a handle or `me`: ASCII, so that what stands to its right stays where it is.
    Head {
        time: String,
        sender: String,
        mine: bool,
        state: Option<Words>,
        edited: bool,
    },
    /// Why the server did not take it.
    Refused(String),
    /// The message that this one replies to, in one row.
    Quote(String),
    Body {
        runs: Vec<Run>,
        mentions_me: bool,
        /// Of a line of code: something of it is hidden at the left edge, at the right edge.
        hidden: (bool, bool),
    },
    Reactions(String),
    /// Something that happened, told by the program.
    Event {
        time: String,
        text: String,
    },
    /// Below the last loaded message, when it is not the newest.
    Bottom(&'static str),
}

/// Characters of one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub text: String,
    pub look: Look,
}

/// The rows of the item at `index`, from its dividers to its reactions. `columns` is the width of
/// the pane.
pub fn build(model: &Model, chat: &Chat, index: usize, columns: usize) -> Vec<Row> {
    let Some(item) = model.item(index) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    let before = index.checked_sub(1).and_then(|before| model.item(before));
    if before.is_none() {
        rows.push(Row::Top(top(chat)));
    }
    let new_day = !before.is_some_and(|b| words::same_day(b.at(), item.at(), &model.zone));
    if new_day {
        rows.push(Row::Day(words::day(item.at(), model.now, &model.zone)));
    }
    let first_new = first_new(model, chat) == Some(index);
    if first_new {
        rows.push(Row::New(count_new(model, chat, index)));
    }
    let event = item.message().and_then(|message| words::event(model, message));
    match event {
        Some(text) => {
            rows.push(Row::Event { time: words::time(item.at(), &model.zone), text });
        }
        None => {
            let head = new_day || first_new || !shares_head(model, before.as_ref(), &item);
            push_text(model, chat, &item, head, columns, &mut rows);
        }
    }
    if !chat.at_end() && index + 1 == model.item_count() {
        rows.push(Row::Bottom(end(chat)));
    }
    rows
}

fn push_text(
    model: &Model,
    chat: &Chat,
    item: &Item<'_>,
    head: bool,
    columns: usize,
    rows: &mut Vec<Row>,
) {
    let (body, reply_seq, sender_id) = match item {
        Item::Stored(message) => (&message.body, message.reply_seq, message.sender_id),
        Item::Queued(queued) => (&queued.body, queued.reply_seq, model.me),
    };
    let mine = sender_id == model.me;
    if head {
        rows.push(Row::Head {
            time: words::time(item.at(), &model.zone),
            sender: if mine { "me".into() } else { words::handle(model, sender_id) },
            mine,
            state: words::state(model, chat, item),
            edited: item.message().is_some_and(|message| message.edited_at > 0),
        });
    }
    let text_columns = columns.saturating_sub(GUTTER_COLUMNS + 2).max(1);
    if reply_seq > 0 {
        rows.push(Row::Quote(quote(model, chat, reply_seq, text_columns)));
    }
    let my_handle = model.people.get(&model.me).map(|person| person.handle.as_str());
    let mentions_me = !mine
        && my_handle.is_some_and(|me| body.contains('@') && mention::handles(body).contains(&me));
    push_body(model, body, chat.code_left, text_columns, mentions_me, rows);
    if let Item::Queued(queued) = item {
        let why = wrap::rows(&queued.refused, text_columns);
        let why = why.into_iter().filter(|range| !range.is_empty());
        rows.extend(why.map(|range| Row::Refused(queued.refused[range].to_string())));
    }
    let reactions = item.message().map(|message| message.reactions.as_slice()).unwrap_or_default();
    if !reactions.is_empty() {
        let one = |reaction: &proto::Reaction| match reaction.user_ids.len() {
            1 => reaction.emoji.clone(),
            several => format!("{} {several}", reaction.emoji),
        };
        let all: Vec<String> = reactions.iter().map(one).collect();
        rows.push(Row::Reactions(wrap::cut(&all.join("  "), text_columns)));
    }
}

/// The text with its looks: lines of code in one row each, the rest wrapped.
fn push_body(
    model: &Model,
    body: &str,
    code_left: usize,
    columns: usize,
    mentions_me: bool,
    rows: &mut Vec<Row>,
) {
    let mut styled = markdown::style(body);
    if let Some(Sought::Text(query)) = &model.search {
        for place in query.places(body) {
            styled.looks[place].iter_mut().for_each(|look| *look |= Look::FOUND);
        }
    }
    for line in &styled.lines {
        let text = &body[line.range.clone()];
        if line.code {
            let (shown, hidden) = wrap::window(text, code_left, columns);
            let at = line.range.start;
            let runs = runs(body, &styled.looks, at + shown.start..at + shown.end);
            rows.push(Row::Body { runs, mentions_me, hidden });
            continue;
        }
        let indent = line.hang.min(columns / 2);
        for (nth, row) in wrap::hanging_rows(text, columns, indent).into_iter().enumerate() {
            let range = line.range.start + row.start..line.range.start + row.end;
            let mut runs = runs(body, &styled.looks, range);
            if nth > 0 && indent > 0 {
                runs.insert(0, Run { text: " ".repeat(indent), look: Look::PLAIN });
            }
            rows.push(Row::Body { runs, mentions_me, hidden: (false, false) });
        }
    }
}

/// A result in one row, with what was found in it: from its beginning, or where it would not be
/// seen then, from a little before it.
pub fn excerpt(results: &Results, message: &Message, columns: usize) -> Vec<Run> {
    let text = proto::clean::line(&message.body);
    let query = match &results.from {
        ResultsFrom::Here { sought: Sought::Text(query), .. } => Some(query.clone()),
        ResultsFrom::Here { .. } => None,
        ResultsFrom::Server { text, .. } => Query::phrase(&text.to_lowercase()),
    };
    let places = query.map(|query| query.places(&text)).unwrap_or_default();
    let first = places.first().cloned().unwrap_or(0..0);
    let mut start = 0;
    if wrap::width(&text[..first.end]) + 1 > columns {
        let before = text[..first.start].grapheme_indices(true).rev();
        start = before.take(columns / 4).last().map_or(first.start, |(at, _)| at);
    }
    let mut looks = vec![Look::PLAIN; text.len()];
    for place in places {
        looks[place].fill(Look::FOUND);
    }
    let mut runs = runs(&text, &looks, start..text.len());
    if start > 0 {
        runs.insert(0, Run { text: "…".into(), look: Look::PLAIN });
    }
    cut_runs(runs, columns)
}

/// What fits into so many columns; what is left out is a `…`.
fn cut_runs(runs: Vec<Run>, columns: usize) -> Vec<Run> {
    let mut room = columns;
    let mut shown = Vec::new();
    let total: usize = runs.iter().map(|run| wrap::width(&run.text)).sum();
    if total <= columns {
        return runs;
    }
    for run in runs {
        let width = wrap::width(&run.text);
        if width < room {
            room -= width;
            shown.push(run);
        } else {
            let text = wrap::cut(&format!("{}…", run.text), room);
            shown.push(Run { text, ..run });
            break;
        }
    }
    shown
}

/// A part of a text, cut where its look changes.
fn runs(body: &str, looks: &[Look], part: Range<usize>) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut from = part.start;
    for at in part.start..part.end {
        if at + 1 == part.end || looks[at + 1] != looks[at] {
            runs.push(Run { text: body[from..=at].to_string(), look: looks[at] });
            from = at + 1;
        }
    }
    runs
}

fn end(chat: &Chat) -> &'static str {
    match chat.newer {
        Newer::Offline => "… newer messages need the connection",
        _ => "… more below",
    }
}

fn top(chat: &Chat) -> &'static str {
    match chat.older {
        Older::OnDisk | Older::OnServer => "… more above",
        Older::Asking | Older::Fetched { .. } => "… loading",
        Older::Offline => "… older messages need the connection",
        Older::Nothing => "the conversation begins here",
    }
}

/// The first message of somebody else that was unread when the conversation was opened.
pub fn first_new(model: &Model, chat: &Chat) -> Option<usize> {
    let new_after = chat.new?.after;
    let from = chat.messages.partition_point(|message| message.seq <= new_after);
    let first = chat.messages[from..].iter().position(|m| m.sender_id != model.me)?;
    Some(from + first)
}

/// How many messages of others came unseen, from `first` on.
fn count_new(model: &Model, chat: &Chat, first: usize) -> i64 {
    let up_to = chat.new.map_or(0, |new| new.up_to);
    let unseen = chat.messages[first..].iter().take_while(|message| message.seq <= up_to);
    unseen.filter(|message| message.sender_id != model.me).count() as i64
}

/// A message stands under the head of the one before it: same person, soon after, not mine, and
/// both plain text.
fn shares_head(model: &Model, before: Option<&Item<'_>>, item: &Item<'_>) -> bool {
    let (Some(Item::Stored(before)), Item::Stored(message)) = (before, item) else {
        return false;
    };
    // each message of mine has its own state, and each edited one says so
    message.sender_id != model.me
        && message.sender_id == before.sender_id
        && before.kind() == MessageKind::Text
        && message.edited_at == 0
        && message.sent_at.saturating_sub(before.sent_at) < SAME_HEAD_MS
}

fn quote(model: &Model, chat: &Chat, reply_seq: i64, columns: usize) -> String {
    let found = chat.messages.binary_search_by_key(&reply_seq, |message| message.seq);
    match found.map(|at| &chat.messages[at]) {
        Ok(message) if message.kind() == MessageKind::Text => {
            let who = words::handle(model, message.sender_id);
            words::excerpt(&format!("↳ {who}: {}", message.body), columns)
        }
        Ok(_) => "↳ a message that was deleted".into(),
        Err(_) => "↳ an older message".into(),
    }
}
