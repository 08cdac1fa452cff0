//! A notice as a mail to the confirmed address.

use proto::clean;
use store::{Purpose, Recipient};

use crate::notify::letter::{Block, Letter};
use crate::notify::notice::Notice;
use crate::notify::{Fault, Notify};
use crate::token::{random_token, token_hash};

const DAY_MS: i64 = 24 * 3_600_000;

pub(super) async fn tell(
    notify: &Notify,
    person: &Recipient,
    notice: &Notice,
    now: i64,
) -> Result<(), Fault> {
    let link = settings_link(notify, person.user_id, now).await?;
    notify.mailer.send(&letter(person, notice, &notify.site, &link), now).await
}

async fn settings_link(notify: &Notify, user_id: i64, now: i64) -> store::Result<String> {
    let token = random_token();
    let (hash, end) = (token_hash(&token), now + Purpose::Settings.lives_ms());
    let store = &notify.store;
    store.mail_token_create(&hash, user_id, Purpose::Settings, end).await?;
    Ok(token)
}

fn letter(person: &Recipient, notice: &Notice, site: &str, link: &str) -> Letter {
    let mut body = vec![Block::Line(format!("Hello {},", clean::line(&person.name)))];
    for place in &notice.conversations {
        body.push(Block::Line(format!("{}: {} unread", place.name, place.unread)));
        body.extend(place.texts.iter().cloned().map(Block::Quote));
    }
    if notice.conversations.is_empty() {
        body.push(Block::Line("somebody has written to you.".into()));
    }
    body.push(Block::Line("Open natter to read and to answer.".into()));
    body.push(Block::Link {
        label: "Which mails you get, and how to get none".into(),
        url: format!("{site}/v1/mail/{link}"),
    });
    let day = notice.at.div_euclid(DAY_MS);
    Letter {
        to_name: person.name.clone(),
        to_address: person.email.clone().unwrap_or_default(),
        subject: notice.title.clone(),
        body,
        id: notice.id.clone(),
        thread: Some(format!("unread.{}.{day}", person.user_id)),
        unsubscribe: Some(format!("{site}/v1/unsubscribe/{link}")),
    }
}
