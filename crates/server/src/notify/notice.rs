//! What somebody who is away is told, before it has the form of its door. What of it may be said at
//! all (`Preview`) is decided here, so that no door has to think of it.

use std::collections::HashMap;

use proto::{clean, history};
use serde::Serialize;
use store::{Preview, Recipient, Unread};

use super::{Fault, Notify};
use crate::limits;

/// Everything a door may tell. As JSON it is the body of a webhook's call.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Notice {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    /// The same on each try: by it a repetition is known.
    pub(super) id: String,
    /// Unix milliseconds.
    pub(super) at: i64,
    /// Whose messages these are.
    pub(super) handle: String,
    /// One line that says it all.
    pub(super) title: String,
    /// The newest first; the title counts all. None where he wants no names.
    pub(super) conversations: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    /// Something stayed unread.
    Unread,
    /// The first word through a door that was just chosen.
    Hello,
}

/// One conversation in a notice.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Place {
    /// `Ann (@ann)`, or `+title`.
    pub(super) name: String,
    pub(super) unread: i64,
    /// The newest of them, cut to a glance. None where he wants no texts.
    pub(super) texts: Vec<String>,
}

/// About everything that this person has not read.
pub(super) async fn unread(
    notify: &Notify,
    person: &Recipient,
    unread: &[Unread],
    now: i64,
) -> Result<Notice, Fault> {
    let names = names(notify, person, unread).await?;
    let preview = person.settings.preview;
    let mut conversations = Vec::new();
    let told = match preview {
        Preview::None => &[],
        Preview::Full | Preview::Names => {
            &unread[..unread.len().min(limits::MAIL_CONVERSATIONS_MAX)]
        }
    };
    for row in told {
        let texts = match preview {
            Preview::Full => newest(notify, person.user_id, row, &names).await?,
            Preview::Names | Preview::None => Vec::new(),
        };
        let unread = row.last_seq - row.read_seq;
        conversations.push(Place { name: place(row, &names), unread, texts });
    }
    Ok(Notice {
        kind: Kind::Unread,
        // The same for one that is told again because nobody could write down that it was told: a
        // mail program, or the program behind a webhook, knows the two as one.
        id: format!("unread.{}.{}.{}", person.user_id, person.mailed_at, person.mails),
        at: now,
        handle: person.handle.clone(),
        title: title(preview, unread, &names),
        conversations,
    })
}

/// That a door works.
pub(super) fn hello(person: &Recipient, job: i64, now: i64) -> Notice {
    Notice {
        kind: Kind::Hello,
        id: format!("hello.{job}"),
        at: now,
        handle: person.handle.clone(),
        title: "natter tells you here what stays unread while you are away".into(),
        conversations: Vec::new(),
    }
}

fn title(preview: Preview, unread: &[Unread], names: &HashMap<i64, String>) -> String {
    let messages: i64 = unread.iter().map(|row| row.last_seq - row.read_seq).sum();
    match (preview, unread) {
        (Preview::None, _) => "You have unread messages".into(),
        (_, [row]) => format!("{messages} unread from {}", place(row, names)),
        (_, rows) => format!("{messages} unread in {} conversations", rows.len()),
    }
}

/// The names of the partners of direct conversations, cleaned.
async fn names(
    notify: &Notify,
    person: &Recipient,
    unread: &[Unread],
) -> store::Result<HashMap<i64, String>> {
    let peers: Vec<i64> = unread.iter().map(|row| row.peer_id).filter(|id| *id != 0).collect();
    let people = notify.store.people(person.user_id, &peers).await?;
    let named = people.into_iter().map(|peer| {
        let name = format!("{} (@{})", clean::line(&peer.name), peer.handle);
        (peer.user_id, name)
    });
    Ok(named.collect())
}

fn place(row: &Unread, names: &HashMap<i64, String>) -> String {
    match names.get(&row.peer_id) {
        Some(name) => name.clone(),
        None => format!("+{}", clean::line(&row.title)),
    }
}

/// The newest texts of one conversation, cut to a glance.
async fn newest(
    notify: &Notify,
    user_id: i64,
    row: &Unread,
    names: &HashMap<i64, String>,
) -> Result<Vec<String>, Fault> {
    let shown = limits::MAIL_TEXTS_MAX.min((row.last_seq - row.read_seq) as u32);
    let from = history::From::BeforeSeq(row.last_seq + 1);
    let page = notify.store.history(user_id, row.conv_id, from, shown).await;
    let messages = match page {
        Ok((messages, _)) => messages,
        // He has left the group a moment ago.
        Err(store::Error::NotFound) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let senders: Vec<i64> = messages.iter().map(|message| message.sender_id).collect();
    let people = notify.store.people(user_id, &senders).await?;
    let texts = messages.into_iter().map(|message| {
        let sender = people.iter().find(|person| person.user_id == message.sender_id);
        let who = match names.get(&message.sender_id) {
            Some(_) => String::new(),
            None => sender.map_or_else(String::new, |person| format!("@{}: ", person.handle)),
        };
        let text = clean::text(&message.body);
        let mut cut: String = text.chars().take(limits::MAIL_TEXT_CHARS_MAX).collect();
        if cut.len() < text.len() {
            cut.push('…');
        }
        format!("{who}{cut}")
    });
    Ok(texts.collect())
}
