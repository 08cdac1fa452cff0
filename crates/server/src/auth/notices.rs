//! What somebody wants to be told while he is away, and how: two calls for programs, and the page
//! behind the link in mails, which has nothing but that link to say who he is.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, JsonRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Form, Json};
use proto::check::Refused;
use proto::http::{DoorKind, Notices, Preview};
use serde::Deserialize;
use store::{Door, NoticeSettings, Purpose, Recipient};

use super::account::count_user;
use super::pages::{Answer, bad_form, over, owner, page};
use super::problem::Problem;
use super::{Auth, session};
use crate::clock;
use crate::html::escaped;
use crate::token::random_webhook_key;

/// `GET /v1/notices`
pub(super) async fn list(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
) -> Result<Json<Notices>, Problem> {
    let user_id = session::bearer(&auth, &headers).await?.user_id;
    let person = auth.store.recipient(user_id).await?.ok_or_else(Problem::no_session)?;
    Ok(Json(told(&person)))
}

/// `PUT /v1/notices`
pub(super) async fn change(
    State(auth): State<Arc<Auth>>,
    headers: HeaderMap,
    body: Result<Json<Notices>, JsonRejection>,
) -> Result<Json<Notices>, Problem> {
    let Json(wanted) = body?;
    let user_id = session::bearer(&auth, &headers).await?.user_id;
    let (person, key) = keep(&auth, user_id, &wanted).await?;
    Ok(Json(Notices { key, ..told(&person) }))
}

fn told(person: &Recipient) -> Notices {
    let settings = &person.settings;
    let (door, url) = match &settings.door {
        Door::Mail => (DoorKind::Mail, None),
        Door::Webhook { url, .. } => (DoorKind::Webhook, Some(url.clone())),
        Door::Push { url } => (DoorKind::Push, Some(url.clone())),
    };
    let fault = Some(person.door_fault.clone()).filter(|why| !why.is_empty());
    Notices {
        wanted: !settings.unwanted,
        door,
        url,
        preview: settings.preview,
        quiet_from: time(settings.quiet_from),
        quiet_to: time(settings.quiet_to),
        hide: settings.hide,
        address: person.email.clone().filter(|_| person.email_ok),
        fault,
        key: None,
    }
}

/// Checks and stores what he wants. Also the key, if it is a new webhook: nobody sees it again.
async fn keep(
    auth: &Auth,
    user_id: i64,
    wanted: &Notices,
) -> Result<(Recipient, Option<String>), Problem> {
    // A new door is knocked at, and it is somebody else's machine.
    count_user(auth, user_id).await?;
    let minute = |field, text: &str| {
        let wrong = || Problem::field(field, Refused("HH:MM, from 00:00 to 23:59".into()));
        minute_of_day(text).ok_or_else(wrong)
    };
    let had = auth.store.recipient(user_id).await?.ok_or_else(Problem::no_session)?;
    let (door, key) = door(auth, wanted, &had.settings.door)?;
    let settings = NoticeSettings {
        unwanted: !wanted.wanted,
        door,
        preview: wanted.preview,
        quiet_from: minute("quiet_from", &wanted.quiet_from)?,
        quiet_to: minute("quiet_to", &wanted.quiet_to)?,
        hide: wanted.hide,
    };
    auth.store.set_notice_settings(user_id, &settings, clock::now()).await?;
    tracing::info!(user_id, door = ?wanted.door, "changed how he is told");
    let now = auth.store.recipient(user_id).await?.ok_or_else(Problem::no_session)?;
    Ok((now, key))
}

/// A webhook that stays where it is keeps its key.
fn door(auth: &Auth, wanted: &Notices, had: &Door) -> Result<(Door, Option<String>), Problem> {
    let url = || {
        let url = wanted.url.clone().unwrap_or_default();
        auth.outward.check(&url).map_err(|why| Problem::field("url", Refused(why)))?;
        Ok::<_, Problem>(url)
    };
    Ok(match (wanted.door, had) {
        (DoorKind::Mail, _) => (Door::Mail, None),
        (DoorKind::Push, _) => (Door::Push { url: url()? }, None),
        (DoorKind::Webhook, Door::Webhook { url, .. }) if wanted.url.as_ref() == Some(url) => {
            (had.clone(), None)
        }
        (DoorKind::Webhook, _) => {
            let key = random_webhook_key();
            (Door::Webhook { url: url()?, key: key.clone() }, Some(key))
        }
    })
}

/// `HH:MM`, as browsers write it.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| match text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse::<u16>().ok(),
        false => None,
    };
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

fn time(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

// ── the page ────────────────────────────────────────────────────────────────────────────────────

const TITLE: &str = "What you are told while you are away";

/// What the form sends: a box that is not ticked is not sent at all.
#[derive(Deserialize)]
pub(super) struct NoticesForm {
    wanted: Option<String>,
    door: DoorKind,
    url: String,
    preview: Preview,
    quiet_from: String,
    quiet_to: String,
    hide: Option<String>,
}

pub(super) async fn show(State(auth): State<Arc<Auth>>, Path(token): Path<String>) -> Answer {
    let Some(user_id) = owner(&auth, &token, Purpose::Settings).await? else {
        return Ok(over());
    };
    match auth.store.recipient(user_id).await? {
        Some(person) => Ok(page(StatusCode::OK, TITLE, &form(&told(&person)))),
        None => Ok(over()),
    }
}

pub(super) async fn save(
    State(auth): State<Arc<Auth>>,
    Path(token): Path<String>,
    form: Result<Form<NoticesForm>, FormRejection>,
) -> Answer {
    let Form(sent) = form.map_err(|error| bad_form(&error))?;
    let Some(user_id) = owner(&auth, &token, Purpose::Settings).await? else {
        return Ok(over());
    };
    let wanted = Notices {
        wanted: sent.wanted.is_some(),
        door: sent.door,
        url: Some(sent.url),
        preview: sent.preview,
        quiet_from: sent.quiet_from,
        quiet_to: sent.quiet_to,
        hide: sent.hide.is_some(),
        address: None,
        fault: None,
        key: None,
    };
    let (person, key) = keep(&auth, user_id, &wanted).await?;
    let key = key.map_or_else(String::new, |key| {
        format!("<p>The key that signs its calls, shown once: <code>{}</code></p>", escaped(&key))
    });
    let body = format!("<p>Saved.</p>{key}{}", self::form(&told(&person)));
    Ok(page(StatusCode::OK, TITLE, &body))
}

fn form(notices: &Notices) -> String {
    let checked = |on: bool| if on { " checked" } else { "" };
    let option = |value: &str, chosen: bool, text: &str| {
        let chosen = if chosen { " selected" } else { "" };
        format!("<option value={value}{chosen}>{text}</option>")
    };
    let door = |kind, value, text| option(value, notices.door == kind, text);
    let preview = |kind, value, text| option(value, notices.preview == kind, text);
    let fault = notices.fault.as_ref().map_or_else(String::new, |why| {
        format!("<p>The last one did not get through: {}.</p>", escaped(why))
    });
    [
        fault,
        "<form method=post>".to_owned(),
        format!(
            "<label><input type=checkbox name=wanted{}> tell me when messages stay unread</label>",
            checked(notices.wanted)
        ),
        "<label>by <select name=door>".to_owned(),
        door(DoorKind::Mail, "mail", "mail"),
        door(DoorKind::Webhook, "webhook", "a call of my own program (webhook)"),
        door(DoorKind::Push, "push", "a push server (ntfy)"),
        format!(
            "</select></label>\
             <label>whose address is <input name=url size=40 value=\"{}\"></label>",
            escaped(notices.url.as_deref().unwrap_or_default())
        ),
        "<label>It tells <select name=preview>".to_owned(),
        preview(Preview::Full, "full", "who wrote, and what"),
        preview(Preview::Names, "names", "who wrote"),
        preview(Preview::None, "none", "only that there is something"),
        "</select></label>".to_owned(),
        format!(
            "<label>Nothing from <input type=time name=quiet_from value={}> to \
             <input type=time name=quiet_to value={}> UTC</label>",
            notices.quiet_from, notices.quiet_to
        ),
        format!(
            "<label><input type=checkbox name=hide{}> others see neither since when I am offline \
             nor that a mail went out</label>",
            checked(notices.hide)
        ),
        "<button>Save</button></form>".to_owned(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_as_browsers_write_them() {
        assert_eq!(minute_of_day("00:00"), Some(0));
        assert_eq!(minute_of_day("23:59"), Some(23 * 60 + 59));
        for bad in ["", "24:00", "12:60", "1:00", "+1:00", "12", "12:00:00"] {
            assert_eq!(minute_of_day(bad), None, "{bad}");
        }
    }
}
