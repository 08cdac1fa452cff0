//! Verbs on the message under the cursor, and on the row under the cursor of the list.

use proto::{Message, MessageKind};

use super::{compose, go};
use crate::commands::{Deed, ListDeed};
use crate::composer::At;
use crate::effect::{Ask, Effect, PersonDeed, Who};
use crate::line_edit::LineEdit;
use crate::links::{is_disguised, links};
use crate::model::{
    Asked, Details, Item, ItemId, ListRow, Model, Over, Place, Reactions, Target, Tone,
};
use crate::words;

pub(super) fn run(
    model: &mut Model,
    deed: Deed,
    count: Option<usize>,
    asked: Option<Asked>,
) -> Vec<Effect> {
    let Some(id) = model.cursor_index().and_then(|at| model.item(at)).map(|item| item.id()) else {
        model.tell(Tone::Dim, "there is no message here");
        return Vec::new();
    };
    match deed {
        Deed::Reply => reply(model, id),
        Deed::Retry => return retry(model, id),
        Deed::Edit => edit(model, id),
        Deed::Select | Deed::Unselect => {
            if let Some(chat) = &mut model.chat {
                chat.selected = (deed == Deed::Select).then_some(id);
            }
        }
        // these take more than one message: `several.rs`
        Deed::Delete | Deed::Copy | Deed::Put => {}
        Deed::React => react(model, id),
        Deed::Details => return details(model, id),
        Deed::Open => return open_link(model, id, count.unwrap_or(1).saturating_sub(1), asked),
    }
    Vec::new()
}

/// A stored message of text, or None and a word about why not.
fn text_message(model: &mut Model, id: ItemId, what: &str) -> Option<Message> {
    let found = model.index_of(id).and_then(|at| model.item(at)?.message().cloned());
    match found {
        Some(message) if message.kind() == MessageKind::Text => Some(message),
        Some(_) => {
            model.tell(Tone::Warn, format!("this is nothing to {what}"));
            None
        }
        None => {
            model.tell(Tone::Warn, format!("it is not stored yet: nothing to {what}"));
            None
        }
    }
}

fn reply(model: &mut Model, id: ItemId) {
    if let Some(message) = text_message(model, id, "reply to") {
        model.target = Target::Reply { seq: message.seq };
        model.place = Place::Compose;
        model.composer.enter_insert(At::LineEnd);
    }
}

/// The message under the cursor if it was refused, else all that were refused.
fn retry(model: &mut Model, id: ItemId) -> Vec<Effect> {
    let refused = model.queued.iter().filter(|queued| !queued.refused.is_empty());
    let keys: Vec<i64> = refused.map(|queued| queued.client_key).collect();
    let keys = match id {
        ItemId::Key(key) if keys.contains(&key) => vec![key],
        ItemId::Key(_) | ItemId::Seq(_) => keys,
    };
    if keys.is_empty() {
        model.tell(Tone::Dim, "nothing was refused; what is queued goes out by itself");
    }
    keys.into_iter().map(|client_key| Effect::Retry { client_key }).collect()
}

fn edit(model: &mut Model, id: ItemId) {
    let Some(message) = text_message(model, id, "edit") else {
        return;
    };
    match message.sender_id == model.me {
        true => compose::begin_edit(model, message.seq, &message.body),
        false => model.tell(Tone::Warn, "only your own messages can be edited"),
    }
}

pub(super) fn delete(model: &mut Model, id: ItemId, asked: Option<Asked>) -> Vec<Effect> {
    let conv_id = model.chat.as_ref().map_or(0, |chat| chat.conv_id);
    if let ItemId::Seq(_) = id {
        let Some(message) = text_message(model, id, "delete") else {
            return Vec::new();
        };
        if message.sender_id != model.me {
            model.tell(Tone::Warn, "only your own messages can be deleted");
            return Vec::new();
        }
    }
    if asked != Some(Asked::Delete(id)) {
        model.asked = Some(Asked::Delete(id));
        let what = match id {
            ItemId::Seq(_) => "delete this message for everybody? dd again does it",
            ItemId::Key(_) => "forget this unsent message? dd again does it",
        };
        model.tell(Tone::Warn, what);
        return Vec::new();
    }
    vec![match id {
        ItemId::Seq(seq) => Effect::Ask(Ask::Delete { conv_id, seq }),
        ItemId::Key(client_key) => Effect::Unqueue { client_key },
    }]
}

fn react(model: &mut Model, id: ItemId) {
    if let Some(message) = text_message(model, id, "react to") {
        let (conv_id, seq) = (message.conv_id, message.seq);
        let line = LineEdit::default();
        model.over = Some(Over::Reactions(Reactions { conv_id, seq, line }));
    }
}

/// Says where it leads first: what is shown of a link need not be where it goes.
fn open_link(model: &mut Model, id: ItemId, at: usize, asked: Option<Asked>) -> Vec<Effect> {
    let item = model.index_of(id).and_then(|at| model.item(at));
    let body = match item {
        Some(Item::Stored(message)) => message.body.clone(),
        Some(Item::Queued(queued)) => queued.body.clone(),
        None => return Vec::new(),
    };
    let all = links(&body);
    let Some(url) = all.get(at) else {
        let text = match all.len() {
            0 => "there is no link in this message".into(),
            count => format!("this message has only {count}"),
        };
        model.tell(Tone::Dim, text);
        return Vec::new();
    };
    let url = url.to_string();
    if asked == Some(Asked::Open(id, at)) {
        model.tell(Tone::Dim, format!("opening {url}"));
        return vec![Effect::Open { url }];
    }
    model.asked = Some(Asked::Open(id, at));
    let (tone, warning) = match is_disguised(&url) {
        true => (Tone::Bad, "   (it may not be what it looks like)"),
        false => (Tone::Warn, ""),
    };
    let which =
        if all.len() > 1 { format!(" ({} of {})", at + 1, all.len()) } else { String::new() };
    model.tell(tone, format!("gx again opens {url}{which}{warning}"));
    Vec::new()
}

fn details(model: &mut Model, id: ItemId) -> Vec<Effect> {
    let Some(item) = model.index_of(id).and_then(|at| model.item(at)) else {
        return Vec::new();
    };
    let chat = model.chat.as_ref().expect("an item stands in an open conversation");
    let when = words::moment(item.at(), model.now, &model.zone);
    let mut lines = Vec::new();
    let mut asks = Vec::new();
    let mut about = None;
    match item {
        Item::Queued(queued) => {
            lines.push(format!("waits on this machine since {when}"));
            match (queued.refused.as_str(), words::line_trouble(&model.line)) {
                ("", "") => lines.push("for its turn: it is sent in order, once".into()),
                ("", why) => {
                    lines.push(format!("for the connection: {why}"));
                    lines.push("it is sent as soon as there is one, once".into());
                }
                (why, _) => lines.push(format!("for you: the server refused it: {why}")),
            }
        }
        Item::Stored(message) => {
            let who = words::handle(model, message.sender_id);
            lines.push(format!("number {} in this conversation, by {who}, {when}", message.seq));
            if message.edited_at > 0 {
                let edited = words::moment(message.edited_at, model.now, &model.zone);
                lines.push(format!("edited {edited}"));
            }
            for reaction in &message.reactions {
                let who: Vec<String> =
                    reaction.user_ids.iter().map(|id| words::handle(model, *id)).collect();
                lines.push(format!("{} {}", reaction.emoji, who.join(", ")));
            }
            if let Some(state) = words::state(model, chat, &item) {
                lines.push(state.text);
                about = Some((message.conv_id, message.seq));
                let (conv_id, seq) = (message.conv_id, message.seq);
                asks.push(Effect::Ask(Ask::Journey { conv_id, seq }));
                lines.push("asking for the way it went …".into());
            }
        }
    }
    let title = "details".into();
    model.over = Some(Over::Details(Details { title, lines, scroll: 0, about }));
    asks
}

pub(super) fn run_list(model: &mut Model, deed: ListDeed) -> Vec<Effect> {
    let rows = model.list_rows();
    let Some(row) = rows.get(model.list_index(&rows)).copied() else {
        model.tell(Tone::Dim, "nobody here yet: f finds people");
        return Vec::new();
    };
    match (deed, row) {
        (ListDeed::Open, ListRow::Conversation(conv_id)) => go::open(model, conv_id),
        (ListDeed::Open, ListRow::Friend(user_id)) => open_direct(model, user_id),
        (ListDeed::Open, ListRow::Request(_)) => {
            model.tell(Tone::Dim, "a accepts the request, x declines it");
            Vec::new()
        }
        (ListDeed::Open, ListRow::Asked(_)) => {
            model.tell(Tone::Dim, "not answered yet");
            Vec::new()
        }
        (ListDeed::Accept, ListRow::Request(user_id)) => {
            vec![person(user_id, PersonDeed::Accept)]
        }
        (ListDeed::Decline, ListRow::Request(user_id)) => {
            vec![person(user_id, PersonDeed::Decline)]
        }
        (ListDeed::Decline, ListRow::Asked(user_id)) => vec![person(user_id, PersonDeed::Remove)],
        (ListDeed::Accept | ListDeed::Decline, _) => {
            model.tell(Tone::Warn, "this is no friend request");
            Vec::new()
        }
    }
}

fn person(user_id: i64, deed: PersonDeed) -> Effect {
    Effect::Ask(Ask::Person { who: Who::Id(user_id), deed })
}

/// Opens the conversation with a person, asking for it where there is none.
pub(super) fn open_direct(model: &mut Model, user_id: i64) -> Vec<Effect> {
    match go::direct_with(model, user_id) {
        Some(conv_id) => go::open(model, conv_id),
        None => {
            vec![Effect::Ask(Ask::OpenDirect { who: Who::Id(user_id), text: String::new() })]
        }
    }
}
