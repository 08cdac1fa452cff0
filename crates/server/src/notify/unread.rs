//! "You have unread messages": whether a mail is due is decided at the last moment, from the
//! cursors, the schedule, and what the person wants.

use std::collections::HashMap;

use proto::{clean, history};
use store::{Preview, Purpose, Recipient, Unread};

use super::letter::{Block, Letter};
use super::{Fault, Notify, told};
use crate::limits;
use crate::token::{random_token, token_hash};

const DAY_MS: i64 = 24 * 3_600_000;

/// What is to be done about somebody's nudge.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// There is nothing to tell, or nobody who wants to hear it.
    Drop {
        told_until: i64,
    },
    Wait {
        until: i64,
    },
    Mail,
}

/// Sends one mail about everything unread, or none.
pub(super) async fn mail(notify: &Notify, user_id: i64, now: i64) -> Result<(), Fault> {
    let store = &notify.store;
    let Some(person) = store.recipient(user_id).await? else {
        return Ok(store.nudge_drop(user_id, i64::MAX, now).await?);
    };
    let online = notify.bus.online(&[user_id]).await[0];
    let unread = store.unread(user_id, now).await?;
    match judge(&person, &unread, online, now) {
        Verdict::Drop { told_until } => Ok(store.nudge_drop(user_id, told_until, now).await?),
        Verdict::Wait { until } => Ok(store.nudge_postpone(user_id, until).await?),
        Verdict::Mail => {
            let letter = write(notify, &person, &unread, now).await?;
            notify.mailer.send(&letter, now).await?;
            notify.counters.mails_unread.add(1);
            store.nudge_mailed(user_id, person.mails + 1, now).await?;
            // A fault in telling costs the senders the news and nothing else.
            if let Err(error) = told::senders(notify, &person, &unread, now).await {
                tracing::warn!(%error, user_id, "senders could not be told of a mail");
            }
            Ok(store.nudge_drop(user_id, now, now).await?)
        }
    }
}

fn judge(person: &Recipient, unread: &[Unread], online: bool, now: i64) -> Verdict {
    if person.email.is_none() || !person.email_ok || person.settings.unwanted {
        return Verdict::Drop { told_until: i64::MAX };
    }
    let told_until = person.mailed_at;
    let news = unread.iter().filter(|row| row.last_at >= told_until);
    let Some(oldest) = news.map(|row| row.since.max(told_until)).min() else {
        return Verdict::Drop { told_until };
    };
    if online {
        return Verdict::Wait { until: now + limits::NUDGE_FIRST_MS };
    }
    let due_at = (oldest + limits::NUDGE_FIRST_MS).max(person.pause_ends_at());
    if now < due_at {
        return Verdict::Wait { until: due_at };
    }
    match person.quiet_ends_at(now) {
        Some(until) => Verdict::Wait { until },
        None => Verdict::Mail,
    }
}

async fn write(
    notify: &Notify,
    person: &Recipient,
    unread: &[Unread],
    now: i64,
) -> Result<Letter, Fault> {
    let link = settings_link(notify, person.user_id, now).await?;
    let names = names(notify, person, unread).await?;
    let messages: i64 = unread.iter().map(|row| row.last_seq - row.read_seq).sum();
    let mut body = vec![Block::Line(format!("Hello {},", clean::line(&person.name)))];
    for row in unread.iter().take(limits::MAIL_CONVERSATIONS_MAX) {
        if person.settings.preview != Preview::None {
            let count = row.last_seq - row.read_seq;
            body.push(Block::Line(format!("{}: {count} unread", place(row, &names))));
        }
        if person.settings.preview == Preview::Full {
            body.extend(newest(notify, person.user_id, row, &names).await?);
        }
    }
    if person.settings.preview == Preview::None {
        body.push(Block::Line("somebody has written to you.".into()));
    }
    body.push(Block::Line("Open natter to read and to answer.".into()));
    body.push(Block::Link {
        label: "Which mails you get, and how to get none".into(),
        url: format!("{}/v1/mail/{link}", notify.site),
    });
    let user_id = person.user_id;
    Ok(Letter {
        to_name: person.name.clone(),
        to_address: person.email.clone().unwrap_or_default(),
        subject: subject(person, unread, messages, &names),
        body,
        // The same for a mail that is sent again because nobody could write down that it was sent:
        // the mail program of the recipient shows the two as one.
        id: format!("unread.{user_id}.{}.{}", person.mailed_at, person.mails),
        thread: Some(format!("unread.{user_id}.{}", now.div_euclid(DAY_MS))),
        unsubscribe: Some(format!("{}/v1/unsubscribe/{link}", notify.site)),
    })
}

async fn settings_link(notify: &Notify, user_id: i64, now: i64) -> store::Result<String> {
    let token = random_token();
    let (hash, end) = (token_hash(&token), now + limits::SETTINGS_LINK_MS);
    let store = &notify.store;
    store.mail_token_create(&hash, user_id, Purpose::Settings, end).await?;
    Ok(token)
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

fn subject(
    person: &Recipient,
    unread: &[Unread],
    messages: i64,
    names: &HashMap<i64, String>,
) -> String {
    match (person.settings.preview, unread) {
        (Preview::None, _) => "You have unread messages".into(),
        (_, [row]) => format!("{messages} unread from {}", place(row, names)),
        (_, rows) => format!("{messages} unread in {} conversations", rows.len()),
    }
}

/// The newest texts of one conversation, cut to a glance.
async fn newest(
    notify: &Notify,
    user_id: i64,
    row: &Unread,
    names: &HashMap<i64, String>,
) -> Result<Vec<Block>, Fault> {
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
    let quotes = messages.into_iter().map(|message| {
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
        Block::Quote(format!("{who}{cut}"))
    });
    Ok(quotes.collect())
}

#[cfg(test)]
mod unit {
    use store::MailSettings;

    use super::*;

    const MINUTE_MS: i64 = 60_000;
    const DAY_MINUTES: i64 = 24 * 60;

    fn person(quiet_from: u16, quiet_to: u16) -> Recipient {
        Recipient {
            user_id: 1,
            handle: "ann".into(),
            name: "Ann".into(),
            email: Some("ann@example.org".into()),
            email_ok: true,
            settings: MailSettings { quiet_from, quiet_to, ..MailSettings::default() },
            mailed_at: 0,
            mails: 0,
        }
    }

    #[test]
    fn quiet_hours_may_span_midnight() {
        let at = |hour: i64, minute: i64| (20_000 * DAY_MINUTES + hour * 60 + minute) * MINUTE_MS;
        let night = person(22 * 60, 6 * 60);
        for (hour, end) in [(21, None), (22, Some(at(30, 0))), (3, Some(at(6, 0))), (6, None)] {
            assert_eq!(night.quiet_ends_at(at(hour, 0)), end, "{hour} o'clock");
        }
        let noon = person(12 * 60, 13 * 60);
        assert_eq!(noon.quiet_ends_at(at(12, 30) + 5), Some(at(13, 0)));
        assert_eq!(noon.quiet_ends_at(at(0, 0)), None);
        assert_eq!(person(0, 0).quiet_ends_at(at(0, 0)), None);
    }

    #[test]
    fn who_has_no_confirmed_address_or_wants_none_gets_none() {
        let row = Unread {
            conv_id: 1,
            peer_id: 2,
            title: String::new(),
            read_seq: 0,
            last_seq: 1,
            since: 5,
            last_at: 5,
        };
        let drop = Verdict::Drop { told_until: i64::MAX };
        let due = 5 + limits::NUDGE_FIRST_MS;
        let unread = [row];
        assert_eq!(judge(&person(0, 0), &unread, false, due), Verdict::Mail);
        assert_eq!(judge(&person(0, 0), &unread, false, due - 1), Verdict::Wait { until: due });
        let open = Recipient { email_ok: false, ..person(0, 0) };
        assert_eq!(judge(&open, &unread, false, due), drop);
        let mut away = person(0, 0);
        away.settings.unwanted = true;
        assert_eq!(judge(&away, &unread, false, due), drop);
        let told = Recipient { mailed_at: 6, mails: 1, ..person(0, 0) };
        assert_eq!(judge(&told, &unread, false, due), Verdict::Drop { told_until: 6 });
    }
}
