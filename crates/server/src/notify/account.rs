//! Mails about accounts: is this address yours; a new password.

use proto::clean;
use store::{Job, Purpose, Recipient};

use super::letter::{Block, Letter};
use super::{Fault, Notify};
use crate::limits;
use crate::queue::Task;
use crate::token::{random_token, token_hash};

/// Writes and sends the mail that the job asks for, if there is still reason for it.
pub(super) async fn mail(notify: &Notify, task: &Task, now: i64) -> Result<(), Fault> {
    let user_id = match task.job {
        Job::Confirm { user_id } | Job::Reset { user_id } | Job::Nudge { user_id } => user_id,
    };
    let Some(person) = notify.store.recipient(user_id).await? else {
        return Ok(());
    };
    let Some(address) = person.email.clone() else {
        return Ok(());
    };
    let letter = match task.job {
        Job::Confirm { .. } if !person.email_ok => {
            confirm(notify, task.id, &person, address, now).await?
        }
        Job::Reset { .. } if person.email_ok => {
            reset(notify, task.id, &person, address, now).await?
        }
        // Confirmed meanwhile; an address that was taken away; nudges wait in their own table.
        Job::Confirm { .. } | Job::Reset { .. } | Job::Nudge { .. } => return Ok(()),
    };
    notify.mailer.send(&letter, now).await?;
    notify.counters.mails_account.add(1);
    Ok(())
}

async fn confirm(
    notify: &Notify,
    id: i64,
    person: &Recipient,
    to_address: String,
    now: i64,
) -> store::Result<Letter> {
    let end = now + limits::CONFIRM_LINK_MS;
    let url = link(notify, person.user_id, Purpose::Confirm, "confirm", end).await?;
    let said = format!("somebody, most likely you, made the natter account @{}", person.handle);
    Ok(Letter {
        to_name: person.name.clone(),
        to_address,
        subject: "Is this your address?".into(),
        body: vec![
            Block::Line(format!("Hello {},", clean::line(&person.name))),
            Block::Line(format!("{said} and said that this is the address for it.")),
            Block::Link { label: "Yes, it is mine (good for a day)".into(), url },
            Block::Line("If it was not you, there is nothing to do: no mail follows.".into()),
        ],
        id: format!("confirm.{id}"),
        thread: None,
        unsubscribe: None,
    })
}

async fn reset(
    notify: &Notify,
    id: i64,
    person: &Recipient,
    to_address: String,
    now: i64,
) -> store::Result<Letter> {
    let end = now + limits::RESET_LINK_MS;
    let url = link(notify, person.user_id, Purpose::Reset, "reset", end).await?;
    Ok(Letter {
        to_name: person.name.clone(),
        to_address,
        subject: "A new password for natter".into(),
        body: vec![
            Block::Line(format!("Hello {},", clean::line(&person.name))),
            Block::Line(format!("somebody asked for a new password for @{}.", person.handle)),
            Block::Link { label: "Set a new password (good for an hour)".into(), url },
            Block::Line("If it was not you, ignore this mail: the old one stays.".into()),
        ],
        id: format!("reset.{id}"),
        thread: None,
        unsubscribe: None,
    })
}

/// A fresh link. The token is in the mail and nowhere else.
async fn link(
    notify: &Notify,
    user_id: i64,
    purpose: Purpose,
    page: &str,
    end: i64,
) -> store::Result<String> {
    let token = random_token();
    let hash = token_hash(&token);
    notify.store.mail_token_create(&hash, user_id, purpose, end).await?;
    Ok(format!("{}/v1/{page}/{token}", notify.site))
}
