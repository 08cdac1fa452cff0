//! "You have unread messages": whether a notice is due is decided at the last moment, from the
//! cursors, the schedule, and what the person wants.

use store::{Recipient, Unread};

use super::{Fault, Notify, doors, notice, told};
use crate::limits;

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
    Tell,
}

/// Tells of everything unread, once, or not at all.
pub(super) async fn tell(notify: &Notify, user_id: i64, now: i64) -> Result<(), Fault> {
    let store = &notify.store;
    let Some(person) = store.recipient(user_id).await? else {
        return Ok(store.nudge_drop(user_id, i64::MAX, now).await?);
    };
    let online = notify.bus.online(&[user_id]).await[0];
    let unread = store.unread(user_id, now).await?;
    match judge(&person, &unread, online, now) {
        Verdict::Drop { told_until } => Ok(store.nudge_drop(user_id, told_until, now).await?),
        Verdict::Wait { until } => Ok(store.nudge_postpone(user_id, until).await?),
        Verdict::Tell => {
            let notice = notice::unread(notify, &person, &unread, now).await?;
            doors::tell(notify, &person, &notice, now).await?;
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
    if !person.wants_notices() {
        return Verdict::Drop { told_until: i64::MAX };
    }
    let Some(oldest) = oldest_news(person, unread) else {
        return Verdict::Drop { told_until: person.mailed_at };
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
        None => Verdict::Tell,
    }
}

/// Since when there is something that the last notice did not tell of.
fn oldest_news(person: &Recipient, unread: &[Unread]) -> Option<i64> {
    let told_until = person.mailed_at;
    let news = unread.iter().filter(|row| row.last_at >= told_until);
    news.map(|row| row.since.max(told_until)).min()
}

/// What becomes of a nudge whose notice did not get through. Some: it is given up, and why.
///
/// The nudge goes on waiting in its table, and nobody has to remember tries: the pause grows with
/// the time that the news have waited.
pub(super) async fn failed(
    notify: &Notify,
    user_id: i64,
    fault: &Fault,
    now: i64,
) -> store::Result<Option<String>> {
    let store = &notify.store;
    let waited = match store.recipient(user_id).await? {
        Some(person) => oldest_news(&person, &store.unread(user_id, now).await?),
        None => None,
    };
    let waited = waited.map_or(0, |oldest| now - oldest);
    let why = match fault {
        // The next message makes a new nudge, and the address has another chance.
        Fault::Refused(why) => Some(why),
        // His own door: he reads it beside his settings, and no operator can help him.
        Fault::Shut(why) => {
            tracing::info!(user_id, why, "somebody's door does not open");
            store.nudge_drop(user_id, i64::MAX, now).await?;
            return Ok(None);
        }
        Fault::Later(why) | Fault::Away(why) if waited < limits::NUDGE_TRIED_MS_MAX => {
            let pause = (waited / 4).clamp(limits::NUDGE_RETRY_MS, limits::NUDGE_RETRY_MS_MAX);
            tracing::warn!(user_id, why, pause, "a notice will be tried again");
            store.nudge_postpone(user_id, now + pause).await?;
            return Ok(None);
        }
        Fault::Later(why) | Fault::Away(why) => Some(why),
        Fault::Store(error) => return Err(error.clone()),
    };
    store.nudge_drop(user_id, i64::MAX, now).await?;
    Ok(why.cloned())
}

#[cfg(test)]
mod unit {
    use store::{Door, NoticeSettings};

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
            settings: NoticeSettings { quiet_from, quiet_to, ..NoticeSettings::default() },
            door_fault: String::new(),
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
    fn who_cannot_be_reached_or_wants_nothing_is_told_nothing() {
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
        assert_eq!(judge(&person(0, 0), &unread, false, due), Verdict::Tell);
        assert_eq!(judge(&person(0, 0), &unread, false, due - 1), Verdict::Wait { until: due });
        let open = Recipient { email_ok: false, ..person(0, 0) };
        assert_eq!(judge(&open, &unread, false, due), drop);
        let mut pushed = Recipient { email: None, ..open };
        pushed.settings.door = Door::Push { url: "https://ntfy.example.org/x".into() };
        assert_eq!(judge(&pushed, &unread, false, due), Verdict::Tell, "a push needs no address");
        let mut away = person(0, 0);
        away.settings.unwanted = true;
        assert_eq!(judge(&away, &unread, false, due), drop);
        let told = Recipient { mailed_at: 6, mails: 1, ..person(0, 0) };
        assert_eq!(judge(&told, &unread, false, due), Verdict::Drop { told_until: 6 });
    }
}
