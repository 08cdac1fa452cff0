//! The doors: how a notice reaches somebody who is away. One file for each; which one it is he has
//! chosen himself. How to add another is in `docs/flows/notify.md`.

mod mail;
mod push;
mod webhook;

use axum::http::StatusCode;
use store::{Door, Recipient};

use super::notice::Notice;
use super::{Fault, Notify};
use crate::counters::Counter;
use crate::outward::NoAnswer;

/// Tells this person, through his door. Ok: it was taken over. What went wrong he finds beside his
/// settings.
pub(super) async fn tell(
    notify: &Notify,
    person: &Recipient,
    notice: &Notice,
    now: i64,
) -> Result<(), Fault> {
    let told = match &person.settings.door {
        Door::Mail => mail::tell(notify, person, notice, now).await,
        Door::Webhook { url, key } => webhook::tell(&notify.outward, url, key, notice, now).await,
        Door::Push { url } => push::tell(&notify.outward, url, notice).await,
    };
    let why = match &told {
        Ok(()) => "",
        Err(Fault::Store(_)) => return told,
        Err(Fault::Refused(why) | Fault::Shut(why) | Fault::Later(why) | Fault::Away(why)) => why,
    };
    if why != person.door_fault {
        notify.store.set_door_fault(person.user_id, why).await?;
    }
    if told.is_ok() {
        counter(notify, &person.settings.door).add(1);
    }
    told
}

fn counter<'a>(notify: &'a Notify, door: &Door) -> &'a Counter {
    match door {
        Door::Mail => &notify.counters.notices_mail,
        Door::Webhook { .. } => &notify.counters.notices_webhook,
        Door::Push { .. } => &notify.counters.notices_push,
    }
}

/// What the answer of somebody's own server means.
fn judge(answer: Result<StatusCode, NoAnswer>) -> Result<(), Fault> {
    let status = match answer {
        Ok(status) => status,
        Err(NoAnswer::Forbidden(why)) => return Err(Fault::Shut(why)),
        Err(NoAnswer::Away(why)) => return Err(Fault::Away(why)),
    };
    match status.as_u16() {
        200..300 => Ok(()),
        300..400 => Err(Fault::Shut(format!("it leads elsewhere ({status}): name that address"))),
        408 | 425 | 429 | 500.. => Err(Fault::Later(format!("it answered {status}"))),
        _ => Err(Fault::Shut(format!("it answered {status}"))),
    }
}
