//! What commands print: short lines for a person, or one JSON object a line. The fields are
//! documented in `docs/cli.md`; ids are strings because they do not fit the numbers of most JSON
//! readers.

use std::io::{self, Write};

use jiff::{Timestamp, tz::TimeZone};
use proto::{Conversation, Message, MessageKind, Person, Relation};
use serde::Serialize;
use serde_json::json;

/// Where lines go. A reader that closed its end (`| head`) ends the command quietly.
pub(crate) struct Output {
    pub(crate) json: bool,
}

/// The names behind the numbers of one conversation.
pub(crate) struct Names {
    pub(crate) people: std::collections::HashMap<i64, Person>,
}

impl Names {
    pub(crate) fn handle(&self, user_id: i64) -> String {
        match self.people.get(&user_id) {
            Some(person) => person.handle.clone(),
            None => user_id.to_string(),
        }
    }

    /// `bob` or `+title`: what a person would type for WHO.
    pub(crate) fn who(&self, conversation: &Conversation) -> String {
        match conversation.kind() {
            proto::ConversationKind::Group => format!("+{}", conversation.title),
            _ => self.handle(conversation.friend_id),
        }
    }
}

impl Output {
    /// One line: `text` for a person, `value` with `--json`. What comes from a server was cleaned
    /// where it entered; a text that is shown is cleaned once more, whoever made it.
    pub(crate) fn line(&self, text: &str, value: &impl Serialize) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, value)?;
            writeln!(out)?;
        } else if !text.is_empty() {
            writeln!(out, "{}", proto::clean::text(text))?;
        }
        out.flush()
    }

    pub(crate) fn message(&self, who: &str, message: &Message, names: &Names) -> io::Result<()> {
        let sender = names.handle(message.sender_id);
        let text =
            format!("{} {who} #{} {}", clock(message.sent_at), message.seq, told(&sender, message));
        let value = json!({
            "type": "message",
            "who": who,
            "conv_id": message.conv_id.to_string(),
            "seq": message.seq,
            "sender": sender,
            "sender_id": message.sender_id.to_string(),
            "sent_at": message.sent_at,
            "kind": message.kind().as_str_name().trim_start_matches("MESSAGE_KIND_").to_lowercase(),
            "body": message.body,
            "reply_seq": none_if_0(message.reply_seq),
            "edited_at": none_if_0(message.edited_at),
            "rev": message.rev,
            "reactions": message.reactions.iter().map(|r| json!({
                "emoji": r.emoji,
                "by": r.user_ids.iter().map(|id| names.handle(*id)).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        });
        self.line(&text, &value)
    }

    pub(crate) fn person(&self, person: &Person) -> io::Result<()> {
        let relation = relation(person.relation());
        let seen = match (person.online, person.last_seen) {
            (true, _) => "online".to_owned(),
            (false, 0) => String::new(),
            (false, at) => format!("last seen {}", day_and_clock(at)),
        };
        let text = format!("{:<16} {:<24} {relation:<12} {seen}", person.handle, person.name);
        let value = json!({
            "type": "person",
            "handle": person.handle,
            "user_id": person.user_id.to_string(),
            "name": person.name,
            "relation": relation,
            "online": person.online,
            "last_seen": none_if_0(person.last_seen),
        });
        self.line(text.trim_end(), &value)
    }

    pub(crate) fn conversation(
        &self,
        conversation: &Conversation,
        names: &Names,
    ) -> io::Result<()> {
        let who = names.who(conversation);
        let unread = (conversation.last_seq - conversation.read_seq).max(0);
        let last = conversation.last.as_ref();
        let said = last.map(|m| told(&names.handle(m.sender_id), m)).unwrap_or_default();
        let mark = if unread > 0 { format!("{unread} unread") } else { String::new() };
        let first_line = said.lines().next().unwrap_or_default();
        let text =
            format!("{who:<20} {mark:<12} {} {first_line}", day_and_clock(conversation.last_at));
        let value = json!({
            "type": "conversation",
            "who": who,
            "conv_id": conversation.conv_id.to_string(),
            "unread": unread,
            "last_seq": conversation.last_seq,
            "read_seq": conversation.read_seq,
            "last_at": none_if_0(conversation.last_at),
            "mentioned": conversation.mention_seq > conversation.read_seq,
            "members": conversation.member_count,
            "last_body": last.map(|m| m.body.as_str()),
        });
        self.line(text.trim_end(), &value)
    }
}

/// A message as a sentence, its further lines indented so that no text can look like another
/// message.
fn told(sender: &str, message: &Message) -> String {
    let body = message.body.replace('\n', "\n      ");
    match message.kind() {
        MessageKind::Text if message.edited_at > 0 => format!("{sender}: {body} (edited)"),
        MessageKind::Text => format!("{sender}: {body}"),
        MessageKind::Deleted => format!("{sender}: (deleted)"),
        MessageKind::Joined => format!("{sender} added {body}"),
        MessageKind::Left => format!("{sender} left"),
        MessageKind::Renamed => format!("{sender} renamed the group to {body}"),
        MessageKind::Kicked => format!("{sender} removed {body}"),
        MessageKind::Created => format!("{sender} made the group {body}"),
        MessageKind::Appointed => format!("{sender} gave {body} another role"),
    }
}

fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::None => "",
        Relation::Asked => "asked",
        Relation::Asks => "asks you",
        Relation::Friend => "friend",
        Relation::Blocked => "blocked",
    }
}

fn none_if_0(number: i64) -> Option<i64> {
    (number != 0).then_some(number)
}

/// Local time, `14:02`.
pub(crate) fn clock(at: i64) -> String {
    local(at, "%H:%M")
}

/// Local time, `14:02:33.120`.
pub(crate) fn clock_ms(at: i64) -> String {
    local(at, "%H:%M:%S%.3f")
}

/// Local time, `2026-11-22 14:02`.
pub(crate) fn day_and_clock(at: i64) -> String {
    if at == 0 { String::new() } else { local(at, "%F %H:%M") }
}

fn local(at: i64, format: &str) -> String {
    match Timestamp::from_millisecond(at) {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime(format).to_string(),
        Err(_) => "?".to_owned(),
    }
}
