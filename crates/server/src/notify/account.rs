//! Mails about accounts: is this address yours; a new password.

use proto::clean;
use store::{Job, Purpose, Recipient};

use super::letter::{Block, Letter};
use super::{Fault, Notify};
use crate::queue::Task;
use crate::token::{random_token, token_hash};

/// Writes and sends the mail that the job asks for, if there is still reason for it.
pub(super) async fn mail(notify: &Notify, task: &Task, now: i64) -> Result<(), Fault> {
    let Some(person) = notify.store.recipient(task.job.user_id()).await? else {
        return Ok(());
    };
    let Some(address) = person.email.clone() else {
        return Ok(());
    };
    let letter = match &task.job {
        Job::Confirm { .. } if !person.email_ok => {
            confirm(notify, task.id, &person, address, now).await?
        }
        Job::Reset { .. } if person.email_ok => {
            reset(notify, task.id, &person, address, now).await?
        }
        Job::Login { session, device, from, at, .. } if person.email_ok => {
            let said = Login { session, device, from, at: *at };
            login(notify, task.id, &person, address, &said)
        }
        // Confirmed meanwhile; an address that was taken away.
        Job::Confirm { .. } | Job::Reset { .. } | Job::Login { .. } => return Ok(()),
        Job::Door { .. } | Job::Nudge { .. } => unreachable!("the worker has sent them elsewhere"),
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
    let end = now + Purpose::Confirm.lives_ms();
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
    let end = now + Purpose::Reset.lives_ms();
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

struct Login<'a> {
    session: &'a str,
    device: &'a str,
    from: &'a str,
    at: i64,
}

fn login(
    notify: &Notify,
    id: i64,
    person: &Recipient,
    to_address: String,
    said: &Login<'_>,
) -> Letter {
    let device = clean::line(said.device);
    let at = moment(said.at);
    let end = format!("natter sessions --end {}", said.session);
    Letter {
        to_name: person.name.clone(),
        to_address,
        subject: "A new login to natter".into(),
        body: vec![
            Block::Line(format!("Hello {},", clean::line(&person.name))),
            Block::Line(format!("somebody, most likely you, logged in to @{}.", person.handle)),
            Block::Line(format!("Device: {device}")),
            Block::Line(format!("Time: {at} UTC")),
            Block::Line(format!("From: {}", said.from)),
            Block::Line(format!("If it was not you, end that login: {end}")),
            Block::Link {
                label: "Then set a new password, which ends all logins".into(),
                url: format!("{}/v1/forgot", notify.site),
            },
        ],
        id: format!("login.{id}"),
        thread: None,
        unsubscribe: None,
    }
}

/// `2026-11-22 14:02`, of unix milliseconds: the calendar of Howard Hinnant's `civil_from_days`.
fn moment(at: i64) -> String {
    let minutes = at.div_euclid(60_000);
    let (days, minute) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}", minute / 60, minute % 60)
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

#[cfg(test)]
mod unit {
    #[test]
    fn a_moment_is_told_in_the_calendar() {
        for (at, text) in [
            (0, "1970-01-01 00:00"),
            (951_782_340_000, "2000-02-28 23:59"),
            (951_868_740_000, "2000-02-29 23:59"),
            (1_800_000_000_000, "2027-01-15 08:00"),
            (4_107_542_400_000, "2100-03-01 00:00"),
        ] {
            assert_eq!(super::moment(at), text);
        }
    }
}
