//! Jumps from message to message: blocks, days, mentions, searches, marks, and back.

use client::search::{Query, Sought};

use super::{fields, go, moves};
use crate::commands::{Jump, Mark};
use crate::effect::Effect;
use crate::keys::Key;
use crate::limits::JUMPS_MAX;
use crate::model::{Hunt, Item, Model, Spot, Tone};
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
            model.search = sender.map(Sought::Sender);
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
        (Some(sought), Some(item)) => finds(model, sought, &item),
        _ => false,
    };
    match way {
        Jump::BlockUp => (0..at).rev().find(|at| begins_block(*at)),
        Jump::BlockDown => (at + 1..count).find(|at| begins_block(*at)),
        Jump::DayUp => (0..at).rev().find(|at| begins_day(*at)),
        Jump::DayDown => (at + 1..count).find(|at| begins_day(*at)),
        Jump::MentionUp | Jump::MentionDown => {
            let sought = mentions_of_me(model)?;
            let fits = |at: &usize| model.item(*at).is_some_and(|i| finds(model, &sought, &i));
            match way {
                Jump::MentionUp => (0..at).rev().find(fits),
                _ => (at + 1..count).find(fits),
            }
        }
        Jump::SearchOn | Jump::SameSender => (0..at).rev().find(fits),
        Jump::SearchBack => (at + 1..count).find(fits),
        Jump::ScreenTop | Jump::ScreenMiddle | Jump::ScreenBottom => None,
    }
}

fn sender(model: &Model, item: &Item<'_>) -> i64 {
    item.message().map_or(model.me, |message| message.sender_id)
}

/// What others wrote with my handle in it. None: my own handle is not known yet.
pub(super) fn mentions_of_me(model: &Model) -> Option<Sought> {
    let handle = model.people.get(&model.me)?.handle.clone();
    Some(Sought::Mention { handle, me: model.me })
}

fn finds(model: &Model, sought: &Sought, item: &Item<'_>) -> bool {
    match (item, sought) {
        (Item::Stored(message), _) => sought.finds(message),
        (Item::Queued(queued), Sought::Text(query)) => query.finds(&queued.body),
        (Item::Queued(_), Sought::Sender(user_id)) => *user_id == model.me,
        (Item::Queued(_), Sought::Mention { .. }) => false,
    }
}

fn on_screen(model: &mut Model, way: Jump, times: usize) {
    let Some((first, last)) = scroll::readable_items(model) else {
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
    if let Some(query) = Query::phrase(text) {
        model.search = Some(Sought::Text(query));
        model.search_words = text.to_string();
    }
    run(model, Jump::SearchOn, None);
}

/// Nothing among the loaded messages: the disk may have it beyond them.
fn nothing_there(model: &mut Model, way: Jump) {
    let (sought, up) = match way {
        Jump::SearchOn => (model.search.clone(), true),
        Jump::SearchBack => (model.search.clone(), false),
        Jump::MentionUp => (mentions_of_me(model), true),
        Jump::MentionDown => (mentions_of_me(model), false),
        _ => return model.tell(Tone::Dim, "nothing more in this direction"),
    };
    let Some((chat, sought)) = model.chat.as_mut().zip(sought) else {
        return;
    };
    let edge = if up { chat.messages.first() } else { chat.messages.last() };
    let beyond = match up {
        true => edge.is_some_and(|message| message.seq > 1),
        false => !chat.at_end(),
    };
    match edge.filter(|_| beyond).map(|message| message.seq) {
        Some(seq) => chat.hunt = Some(Hunt { sought, seq, up, asked: false }),
        None => not_found(model, &sought, up),
    }
}

fn not_found(model: &mut Model, sought: &Sought, up: bool) {
    let text = match (sought, up) {
        (Sought::Text(_), true) => {
            let words = &model.search_words;
            format!("“{words}” is not above, on this machine; :search! asks the server")
        }
        (Sought::Text(_), false) => "not found below; n searches up".into(),
        (Sought::Sender(_), true) => "no older message of this person here".into(),
        (Sought::Sender(_), false) => "no newer message of this person here".into(),
        (Sought::Mention { .. }, true) => "no older message here mentions you".into(),
        (Sought::Mention { .. }, false) => "no newer message here mentions you".into(),
    };
    model.tell(Tone::Warn, text);
}

/// The disk has answered a search beyond the loaded messages.
pub(super) fn hunted(model: &mut Model, conv_id: i64, sought: &Sought, up: bool, seq: Option<i64>) {
    let here = model.chat.as_mut().filter(|chat| chat.conv_id == conv_id);
    let hunt =
        here.and_then(|chat| chat.hunt.take_if(|hunt| hunt.sought == *sought && hunt.up == up));
    match (hunt, seq) {
        (None, _) => {}
        (Some(_), Some(seq)) => {
            remember(model);
            model.notice = None;
            fields::seek(model, seq);
        }
        (Some(_), None) => not_found(model, sought, up),
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
    model.jumps_on.clear();
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
        match and_forth {
            true => model.jumps.extend(now),
            false => model.jumps_on.extend(now),
        }
        return go_to(model, spot);
    }
    model.tell(Tone::Dim, "no jump to go back from");
    Vec::new()
}

/// `^I`: on again to where `^O` came back from.
pub(super) fn on_again(model: &mut Model) -> Vec<Effect> {
    let Some(spot) = model.jumps_on.pop() else {
        model.tell(Tone::Dim, "no jump to go on to");
        return Vec::new();
    };
    model.jumps.extend(here(model));
    go_to(model, spot)
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
