//! What the line tells: messages, receipts, people, itself.

use client::{Event, Line, Queued};
use proto::limits::{PREVIEW_CHARS_MAX, TYPING_SHOWN_MS};
use proto::{
    Conversation, ConversationKind, Message, MessageKind, Presence, Receipt, Sent, SentState,
    Typing,
};

use super::go;
use crate::effect::Effect;
use crate::limits::{CHAT_MESSAGES_LET_GO, CHAT_MESSAGES_MAX, NOTIFICATION_COLUMNS, TYPING_MAX};
use crate::model::{Chat, ItemId, Model, Newer, Older, Tone, Typist, Unseen, unread};
use crate::settings::Notify;
use crate::{scroll, words};

pub(super) fn take(model: &mut Model, event: Event) -> Vec<Effect> {
    match event {
        Event::Line(line) => line_changed(model, line),
        Event::Conversation(conversation) => put_conversation(model, conversation),
        Event::New { message, live } => return new_message(model, message, live),
        Event::Changed(message) => changed(model, message),
        Event::Sent(sent) => return message_sent(model, &sent),
        Event::SendRefused { client_key, code: _, text } => {
            let refused = model.queued.iter_mut().find(|queued| queued.client_key == client_key);
            if let Some(queued) = refused {
                queued.refused = text.clone();
            }
            model.tell(Tone::Bad, format!("not sent: {text} — R tries again"));
        }
        Event::Receipt(receipt) => take_receipt(model, &receipt),
        Event::Presence(presence) => take_presence(model, &presence),
        Event::Typing(typing) => take_typing(model, &typing),
        Event::Incomplete(true) => {
            let text = "some conversations are away with their database; they come by themselves";
            model.tell(Tone::Bad, text.to_owned());
        }
        Event::Incomplete(false) => {
            model.tell(Tone::Good, "all conversations are here again".to_owned());
        }
        Event::Outbox => return vec![Effect::LoadQueued],
        Event::Person(person) => {
            model.people.insert(person.user_id, person);
        }
    }
    Vec::new()
}

fn line_changed(model: &mut Model, line: Line) {
    let state = words::line(&line, model.now).text;
    let why = words::line_trouble(&line);
    model.log(if why.is_empty() { state } else { format!("{state}: {why}") });
    match &line {
        Line::CatchingUp | Line::Live => {
            if let Some(chat) = &mut model.chat
                && chat.older == Older::Offline
            {
                chat.older = Older::OnServer;
            }
            if let Some(chat) = &mut model.chat
                && chat.newer == Newer::Offline
            {
                chat.newer = Newer::OnServer;
            }
        }
        Line::SignedOut { why } => {
            let text = format!("signed out: {why}. q closes; then log in again");
            model.tell(Tone::Bad, text);
        }
        Line::Stopped { why } => model.tell(Tone::Bad, why.clone()),
        Line::Connecting | Line::Waiting { .. } => {}
    }
    model.line = line;
}

/// A conversation as it is now; members only where they were told. What was read stays read: the
/// screen knows of its own Read before the server has answered it.
pub(super) fn put_conversation(model: &mut Model, mut conversation: Conversation) {
    let conv_id = conversation.conv_id;
    if let Some(old) = model.conversation(conv_id) {
        conversation.read_seq = conversation.read_seq.max(old.read_seq);
    }
    if !conversation.members.is_empty() {
        model.members.insert(conv_id, conversation.members.clone());
    }
    model.conversations.retain(|other| other.conv_id != conv_id);
    if conversation.left {
        model.members.remove(&conv_id);
        model.kept.remove(&conv_id);
        go::close(model, conv_id);
        return;
    }
    let at = model.conversations.partition_point(|other| other.last_at > conversation.last_at);
    model.conversations.insert(at, conversation);
}

fn new_message(model: &mut Model, message: Message, live: bool) -> Vec<Effect> {
    let conv_id = message.conv_id;
    let mine = message.sender_id == model.me;
    model.typing.retain(|t| t.conv_id != conv_id || t.user_id != message.sender_id);
    let mut known = false;
    let mut muted = false;
    if let Some(at) = model.conversations.iter().position(|c| c.conv_id == conv_id) {
        let mut conversation = model.conversations.remove(at);
        known = true;
        muted = conversation.muted_until > model.now;
        note_newest(&mut conversation, &message, mine, &my_handle(model));
        let at = model.conversations.partition_point(|c| c.last_at > conversation.last_at);
        model.conversations.insert(at, conversation);
    }
    let mut effects = Vec::new();
    if live && !mine && !muted {
        effects.extend(attention(model, &message));
    }
    put_message(model, message);
    if !known {
        effects.push(Effect::LoadAll);
    }
    effects
}

/// What a message does while nobody is looking at it. Its text goes nowhere but where the user
/// wants it.
fn attention(model: &Model, message: &Message) -> Option<Effect> {
    let open = is_open(model, message.conv_id);
    // a terminal that never tells of its focus may be out of sight
    let away = !model.focused || (!model.focus_told && !open);
    let desktop = match model.settings.notify {
        Notify::Off => return None,
        Notify::Bell => return (!(open && model.focused)).then_some(Effect::Bell),
        Notify::Terminal => false,
        Notify::Desktop => true,
    };
    if !away {
        return None;
    }
    let (title, text) = match model.settings.show_text && message.kind() == MessageKind::Text {
        true => {
            let conversation = model.conversation(message.conv_id);
            let group = conversation.filter(|c| c.kind() == ConversationKind::Group);
            let who = words::handle(model, message.sender_id);
            let place =
                group.map_or_else(String::new, |g| format!(" in {}", words::title(model, g)));
            (format!("{who}{place}"), words::excerpt(&message.body, NOTIFICATION_COLUMNS))
        }
        false => {
            let count: i64 = model.conversations.iter().map(unread).sum();
            let text =
                if count > 1 { format!("{count} unread messages") } else { "a message".into() };
            ("natter".to_string(), text)
        }
    };
    Some(Effect::Notify { desktop, title, text })
}

fn my_handle(model: &Model) -> String {
    model.people.get(&model.me).map(|person| person.handle.clone()).unwrap_or_default()
}

/// The list's row of a conversation after a message.
fn note_newest(conversation: &mut Conversation, message: &Message, mine: bool, me: &str) {
    if message.seq <= conversation.last_seq && conversation.last.is_some() {
        return;
    }
    conversation.last_seq = conversation.last_seq.max(message.seq);
    conversation.last_at = conversation.last_at.max(message.sent_at);
    if mine && conversation.read_seq + 1 == message.seq {
        conversation.read_seq = message.seq;
    }
    let mentions_me = !mine
        && message.kind() == MessageKind::Text
        && message.body.contains('@')
        && proto::mention::handles(&message.body).contains(&me);
    if mentions_me {
        conversation.mention_seq = message.seq;
    }
    let mut last = message.clone();
    last.body = last.body.chars().take(PREVIEW_CHARS_MAX as usize).collect();
    conversation.last = Some(last);
}

fn is_open(model: &Model, conv_id: i64) -> bool {
    model.chat.as_ref().is_some_and(|chat| chat.conv_id == conv_id)
}

/// Puts a message into the open conversation if it belongs there, once, in its place.
pub(super) fn put_message(model: &mut Model, message: Message) {
    if !is_open(model, message.conv_id) {
        return;
    }
    // who has moved the cursor up is reading there
    if model.chat.as_ref().is_some_and(|chat| chat.cursor.is_some() && chat.bottom.is_none()) {
        scroll::hold(model);
    }
    let (me, focused) = (model.me, model.focused);
    let Some(chat) = &mut model.chat else {
        return;
    };
    let unseen = !focused || !chat.follows();
    if unseen && message.sender_id != me {
        // what was read since does not stand below the divider any more
        let unread = chat.new.filter(|new| new.up_to > chat.read_told);
        let after = unread.map_or(message.seq - 1, |new| new.after);
        chat.new = Some(Unseen { after, up_to: message.seq });
    }
    match chat.messages.binary_search_by_key(&message.seq, |other| other.seq) {
        Ok(at) => chat.messages[at] = message,
        // before the first loaded one, or far after the last: it is read with its page
        Err(0) if !chat.messages.is_empty() => {}
        Err(_) if !chat.at_end() => {}
        Err(at) => chat.messages.insert(at, message),
    }
    if chat.messages.len() > CHAT_MESSAGES_MAX {
        let_go(chat);
    }
}

fn let_go(chat: &mut Chat) {
    chat.messages.drain(..CHAT_MESSAGES_LET_GO);
    chat.older = Older::OnDisk;
}

fn changed(model: &mut Model, message: Message) {
    let conversation = model.conversations.iter_mut().find(|c| c.conv_id == message.conv_id);
    if let Some(last) = conversation.and_then(|c| c.last.as_mut())
        && last.seq == message.seq
    {
        *last = message.clone();
        last.body = last.body.chars().take(PREVIEW_CHARS_MAX as usize).collect();
    }
    if let Some(chat) = &mut model.chat
        && chat.conv_id == message.conv_id
        && let Ok(at) = chat.messages.binary_search_by_key(&message.seq, |other| other.seq)
    {
        chat.messages[at] = message;
    }
}

/// A message of mine is stored: what was queued becomes a message, in the same place on the screen.
fn message_sent(model: &mut Model, sent: &Sent) -> Vec<Effect> {
    if sent.state() == SentState::Kept {
        model.kept.insert(sent.conv_id, *sent);
    } else {
        model.kept.remove(&sent.conv_id);
    }
    let at = model.queued.iter().position(|queued| queued.client_key == sent.client_key);
    let Some(queued) = at.map(|at| model.queued.remove(at)) else {
        // written elsewhere on this profile, or before the outbox was read
        let conv_id = sent.conv_id;
        return match is_open(model, conv_id) {
            true => vec![Effect::Load { conv_id, before_seq: 0 }],
            false => Vec::new(),
        };
    };
    rename_item(model, ItemId::Key(sent.client_key), ItemId::Seq(sent.seq));
    let message = stored(model.me, queued, sent);
    let handle = my_handle(model);
    if let Some(at) = model.conversations.iter().position(|c| c.conv_id == sent.conv_id) {
        let mut conversation = model.conversations.remove(at);
        note_newest(&mut conversation, &message, true, &handle);
        let at = model.conversations.partition_point(|c| c.last_at > conversation.last_at);
        model.conversations.insert(at, conversation);
    }
    put_message(model, message);
    Vec::new()
}

fn stored(me: i64, queued: Queued, sent: &Sent) -> Message {
    Message {
        conv_id: sent.conv_id,
        seq: sent.seq,
        sender_id: me,
        sent_at: sent.sent_at,
        kind: MessageKind::Text.into(),
        body: queued.body,
        reply_seq: queued.reply_seq,
        ..Message::default()
    }
}

fn rename_item(model: &mut Model, from: ItemId, to: ItemId) {
    let Some(chat) = &mut model.chat else {
        return;
    };
    if chat.cursor == Some(from) {
        chat.cursor = Some(to);
    }
    if let Some(anchor) = &mut chat.bottom
        && anchor.item == from
    {
        anchor.item = to;
    }
}

fn take_receipt(model: &mut Model, receipt: &Receipt) {
    let me = model.me;
    if let Some(members) = model.members.get_mut(&receipt.conv_id)
        && let Some(member) = members.iter_mut().find(|m| m.user_id == receipt.user_id)
    {
        member.delivered_seq = member.delivered_seq.max(receipt.delivered_seq);
        member.read_seq = member.read_seq.max(receipt.read_seq);
    }
    let found = model.conversations.iter_mut().find(|c| c.conv_id == receipt.conv_id);
    let Some(conversation) = found else {
        return;
    };
    if receipt.user_id == me {
        conversation.delivered_seq = conversation.delivered_seq.max(receipt.delivered_seq);
        conversation.read_seq = conversation.read_seq.max(receipt.read_seq);
    } else if receipt.user_id == conversation.friend_id {
        conversation.friend_delivered_seq =
            conversation.friend_delivered_seq.max(receipt.delivered_seq).max(receipt.read_seq);
        conversation.friend_read_seq = conversation.friend_read_seq.max(receipt.read_seq);
        if receipt.mailed_seq > conversation.friend_mailed_seq {
            conversation.friend_mailed_seq = receipt.mailed_seq;
            conversation.friend_mailed_at = receipt.mailed_at;
        }
    }
}

fn take_presence(model: &mut Model, presence: &Presence) {
    if let Some(person) = model.people.get_mut(&presence.user_id) {
        person.online = presence.online;
        // Who hides it has been there since the moment that is known.
        person.last_seen = match presence.last_seen {
            0 => 0,
            seen => seen.max(person.last_seen),
        };
    }
    if presence.online {
        // Whatever was planned for him while he was away is planned anew when he goes.
        let of_his = |c: &&Conversation| c.friend_id == presence.user_id;
        if let Some(conversation) = model.conversations.iter().find(of_his) {
            model.kept.remove(&conversation.conv_id);
        }
    } else {
        model.typing.retain(|typist| typist.user_id != presence.user_id);
    }
}

fn take_typing(model: &mut Model, typing: &Typing) {
    let (conv_id, user_id) = (typing.conv_id, typing.user_id);
    model.typing.retain(|t| t.conv_id != conv_id || t.user_id != user_id);
    if model.typing.len() < TYPING_MAX && user_id != model.me {
        let until = model.now + TYPING_SHOWN_MS as i64;
        model.typing.push(Typist { conv_id, user_id, until });
    }
}

/// A sentence about a person after something was done to the relation.
pub(super) fn relation_words(model: &Model, person: &proto::Person) -> String {
    let who = words::handle(model, person.user_id);
    match person.relation() {
        proto::Relation::None => format!("{who} is no contact of yours"),
        proto::Relation::Asked => format!("{who} was asked to be your friend"),
        proto::Relation::Asks => format!("{who} asks to be your friend"),
        proto::Relation::Friend => format!("you and {who} are friends"),
        proto::Relation::Blocked => format!("{who} is blocked"),
    }
}
