//! Jumps from message to message: blocks, days, mentions, searches, marks, and back.

use proto::{MessageKind, mention};

use super::{fields, go, moves};
use crate::commands::{Jump, Mark};
use crate::effect::Effect;
use crate::keys::Key;
use crate::limits::{JUMPS_MAX, SEARCH_PAGES_MAX};
use crate::model::{Item, Model, Older, Search, Sought, Spot, Tone};
use crate::{scroll, words};

pub(super) fn run(model: &mut Model, way: Jump, count: Option<usize>) {
    let (Some(from), times) = (model.cursor_index(), count.unwrap_or(1)) else {
        model.tell(Tone::Dim, "there is no message here");
        return;
    };
    let first = match way {
        Jump::SearchOn | Jump::SearchBack if model.search.is_none() => {
            model.tell(Tone::Dim, "nothing is searched for yet: / begins");
            return;
        }
        Jump::ScreenTop | Jump::ScreenMiddle | Jump::ScreenBottom => {
            return on_screen(model, way, times);
        }
        Jump::SameSender => {
            let sender = model.item(from).map(|item| sender(model, &item));
            model.search = sender.map(Search::Sender);
            Jump::SearchOn
        }
        other => other,
    };
    let mut at = from;
    for _ in 0..times {
        match step(model, first, at) {
            Some(next) => at = next,
            None => break,
        }
    }
    match at == from {
        true => nothing_there(model, first),
        false => {
            remember(model);
            moves::choose(model, at);
        }
    }
}

/// The next place from `at`; None: there is none among the loaded messages.
fn step(model: &Model, way: Jump, at: usize) -> Option<usize> {
    let count = model.item_count();
    let sender_at = |at: usize| model.item(at).map(|item| sender(model, &item));
    let begins_block = |at: usize| at == 0 || sender_at(at) != sender_at(at - 1);
    let begins_day =
        |at: usize| match (at.checked_sub(1).and_then(|b| model.item(b)), model.item(at)) {
            (Some(before), Some(item)) => !words::same_day(before.at(), item.at(), &model.zone),
            _ => true,
        };
    let fits = |at: &usize| match (&model.search, model.item(*at)) {
        (Some(search), Some(item)) => matches(model, search, &item),
        _ => false,
    };
    match way {
        Jump::BlockUp => (0..at).rev().find(|at| begins_block(*at)),
        Jump::BlockDown => (at + 1..count).find(|at| begins_block(*at)),
        Jump::DayUp => (0..at).rev().find(|at| begins_day(*at)),
        Jump::DayDown => (at + 1..count).find(|at| begins_day(*at)),
        Jump::MentionUp => (0..at).rev().find(|at| mentions_me(model, *at)),
        Jump::MentionDown => (at + 1..count).find(|at| mentions_me(model, *at)),
        Jump::SearchOn | Jump::SameSender => (0..at).rev().find(fits),
        Jump::SearchBack => (at + 1..count).find(fits),
        Jump::ScreenTop | Jump::ScreenMiddle | Jump::ScreenBottom => None,
    }
}

fn sender(model: &Model, item: &Item<'_>) -> i64 {
    item.message().map_or(model.me, |message| message.sender_id)
}

fn mentions_me(model: &Model, at: usize) -> bool {
    let me = model.people.get(&model.me).map(|me| me.handle.as_str());
    let message = model.item(at).and_then(|item| item.message());
    match (me, message) {
        (Some(me), Some(message)) if message.sender_id != model.me => {
            message.body.contains('@') && mention::handles(&message.body).contains(&me)
        }
        _ => false,
    }
}

/// Capital letters count where the searched text has some.
fn matches(model: &Model, search: &Search, item: &Item<'_>) -> bool {
    let body = match item {
        Item::Stored(message) if message.kind() == MessageKind::Text => &message.body,
        Item::Stored(_) => return false,
        Item::Queued(queued) => &queued.body,
    };
    match search {
        Search::Sender(user_id) => sender(model, item) == *user_id,
        Search::Text(text) if text.chars().any(char::is_uppercase) => body.contains(text),
        Search::Text(text) => body.to_lowercase().contains(text),
    }
}

fn on_screen(model: &mut Model, way: Jump, times: usize) {
    let Some((first, last)) = scroll::visible_items(model) else {
        return;
    };
    let (columns, height) = scroll::pane(model);
    let rows = scroll::visible(model, columns, height);
    let at = match way {
        Jump::ScreenTop => first + (times - 1),
        Jump::ScreenBottom => last.saturating_sub(times - 1),
        _ => rows.get(rows.len() / 2).map_or(last, |row| row.index),
    };
    moves::choose(model, at.clamp(first, last));
}

/// `/text`: from the cursor up; no text means the one before.
pub(super) fn search(model: &mut Model, text: &str) {
    if !text.is_empty() {
        model.search = Some(Search::Text(text.to_string()));
    }
    run(model, Jump::SearchOn, None);
}

fn nothing_there(model: &mut Model, way: Jump) {
    let on_disk = model.chat.as_ref().is_some_and(|chat| chat.older == Older::OnDisk);
    match (way, model.search.clone(), &mut model.chat) {
        (Jump::SearchOn, Some(search), Some(chat)) if on_disk => {
            chat.sought = Some(Sought {
                search,
                before: chat.messages.first().map_or(0, |message| message.seq),
                pages_left: SEARCH_PAGES_MAX,
            });
            model.tell(Tone::Dim, "searching older messages …");
        }
        (Jump::SearchOn, Some(search), _) => not_found(model, &search),
        (Jump::SearchBack, ..) => model.tell(Tone::Dim, "not found below; n searches up"),
        _ => model.tell(Tone::Dim, "nothing more in this direction"),
    }
}

fn not_found(model: &mut Model, search: &Search) {
    let text = match search {
        Search::Sender(_) => "no older message of this person here".to_string(),
        Search::Text(text) => {
            format!("“{text}” is not above, on this machine; :search asks the server")
        }
    };
    model.tell(Tone::Warn, text);
}

/// A page has come: looks for what is sought in it, and asks for the next or gives up.
pub(super) fn search_on(model: &mut Model) {
    let Some(mut sought) = model.chat.as_mut().and_then(|chat| chat.sought.take()) else {
        return;
    };
    let Some(chat) = &model.chat else {
        return;
    };
    let new = chat.messages.partition_point(|message| message.seq < sought.before);
    let fits = |message| matches(model, &sought.search, &Item::Stored(message));
    let found = chat.messages[..new].iter().rposition(fits);
    let (older, first) = (chat.older, chat.messages.first().map_or(0, |message| message.seq));
    if let Some(index) = found {
        remember(model);
        model.notice = None;
        moves::choose(model, index);
        return;
    }
    sought.pages_left = sought.pages_left.saturating_sub(1);
    match older {
        Older::OnDisk | Older::Asking if sought.pages_left > 0 => {
            sought.before = first;
            if let Some(chat) = &mut model.chat {
                chat.sought = Some(sought);
            }
        }
        Older::OnDisk | Older::Asking => {
            model.tell(Tone::Warn, "not found so far; gg and n search further back");
        }
        _ => not_found(model, &sought.search),
    }
}

/// Where the cursor stands, for the way back.
pub(super) fn remember(model: &mut Model) {
    if let Some(spot) = here(model).filter(|spot| model.jumps.last() != Some(spot)) {
        model.jumps.push(spot);
    }
    if model.jumps.len() > JUMPS_MAX {
        model.jumps.remove(0);
    }
}

fn here(model: &Model) -> Option<Spot> {
    let message = model.item(model.cursor_index()?)?.message()?;
    Some(Spot { conv_id: message.conv_id, seq: message.seq })
}

fn go_to(model: &mut Model, spot: Spot) -> Vec<Effect> {
    let effects = go::open(model, spot.conv_id);
    if model.chat.as_ref().is_some_and(|chat| chat.conv_id == spot.conv_id) {
        fields::seek(model, spot.seq);
    }
    effects
}

/// To where the last jump began; `''` comes back by the same key, `^O` goes on to older jumps.
pub(super) fn back(model: &mut Model, and_forth: bool) -> Vec<Effect> {
    let now = here(model);
    while let Some(spot) = model.jumps.pop() {
        if Some(spot) == now {
            continue;
        }
        if and_forth {
            model.jumps.extend(now);
        }
        return go_to(model, spot);
    }
    model.tell(Tone::Dim, "no jump to go back from");
    Vec::new()
}

pub(super) fn mark(model: &mut Model, deed: Mark, key: Option<&Key>) -> Vec<Effect> {
    let Some(&Key::Char(name)) = key else {
        return Vec::new();
    };
    if !name.is_ascii_alphabetic() {
        model.tell(Tone::Warn, format!("marks are letters, not {name}"));
        return Vec::new();
    }
    match (deed, here(model), model.marks.get(&name).copied()) {
        (Mark::Set, Some(spot), _) => {
            model.marks.insert(name, spot);
            model.tell(Tone::Dim, format!("marked: '{name} comes back here"));
        }
        (Mark::Set, None, _) => model.tell(Tone::Dim, "there is no stored message here"),
        (Mark::GoTo, _, Some(spot)) => {
            remember(model);
            return go_to(model, spot);
        }
        (Mark::GoTo, _, None) => model.tell(Tone::Warn, format!("no mark {name}; m{name} sets it")),
    }
    Vec::new()
}

/// To the message that the one under the cursor replies to.
pub(super) fn to_replied(model: &mut Model) {
    let at = model.cursor_index();
    let reply_seq = match at.and_then(|at| model.item(at)) {
        Some(Item::Stored(message)) => message.reply_seq,
        Some(Item::Queued(queued)) => queued.reply_seq,
        None => 0,
    };
    match reply_seq {
        0 => model.tell(Tone::Dim, "this is no reply"),
        seq => {
            remember(model);
            fields::seek(model, seq);
        }
    }
}
