//! From the database to the work: claims what is due, has it done, and only then lets it go.
//!
//! A claim is a lease, so whoever dies in the middle gives his jobs back by doing nothing; the same
//! job in two hands is done by one of them (`Store::job_begin`). The time is given in.

use futures_util::future::join_all;
use store::{Claimed, Turn};

use super::{Fault, Notify, account, unread};
use crate::limits;

/// Claims what is due at `now` and does it. How many jobs that were.
pub(super) async fn round(notify: &Notify, now: i64) -> store::Result<usize> {
    let oldest = notify.store.outbox_oldest(now).await?;
    let waited = oldest.map_or(0, |due_at| (now - due_at).unsigned_abs());
    notify.counters.oldest_job.set_ms(waited);
    let lease_until = now + limits::JOB_LEASE_MS;
    let at_once = limits::JOBS_AT_ONCE;
    let facts = notify.store.outbox_claim(now, lease_until, at_once).await?;
    let people = notify.store.nudge_claim(now, lease_until, at_once).await?;
    join_all(facts.iter().map(|fact| do_fact(notify, fact, now))).await;
    join_all(people.iter().map(|user_id| do_nudge(notify, *user_id, now))).await;
    Ok(facts.len() + people.len())
}

async fn do_fact(notify: &Notify, fact: &Claimed, now: i64) {
    if let Err(error) = try_fact(notify, fact, now).await {
        tracing::warn!(%error, id = fact.id, "a job has to wait for the database");
    }
}

async fn try_fact(notify: &Notify, fact: &Claimed, now: i64) -> store::Result<()> {
    let (store, id, topic) = (&notify.store, fact.id, fact.job.topic());
    if fact.attempts > limits::JOB_CLAIMS_MAX {
        return bury(notify, fact, "whoever began it died", now).await;
    }
    match store.job_begin(topic, id, now + limits::JOB_LEASE_MS, now).await? {
        Turn::Yours => {}
        Turn::Busy => return Ok(()),
        Turn::Done => return store.outbox_done(id).await,
    }
    let why = match account::mail(notify, fact, now).await {
        Ok(()) => {
            store.job_done(topic, id, now).await?;
            return store.outbox_done(id).await;
        }
        Err(Fault::Store(error)) => {
            store.job_free(topic, id).await?;
            return Err(error);
        }
        Err(Fault::Refused(why)) => {
            store.job_free(topic, id).await?;
            return bury(notify, fact, &why, now).await;
        }
        Err(Fault::Later(why)) => why,
    };
    store.job_free(topic, id).await?;
    notify.counters.mails_put_off.add(1);
    if fact.attempts >= limits::JOB_ATTEMPTS_MAX {
        return bury(notify, fact, &why, now).await;
    }
    let due_at = now + retry_after_ms(fact.attempts);
    tracing::info!(id, topic, why, due_at, "a mail will be tried again");
    store.outbox_release(id, due_at).await
}

async fn bury(notify: &Notify, fact: &Claimed, why: &str, now: i64) -> store::Result<()> {
    notify.counters.jobs_dead.add(1);
    tracing::error!(id = fact.id, topic = fact.job.topic(), why, "a mail is given up");
    notify.store.outbox_dead(fact.id, why, now).await
}

/// 1, 4, 16, 64 minutes.
fn retry_after_ms(attempts: u32) -> i64 {
    limits::JOB_RETRY_MS << (2 * (attempts - 1).min(4))
}

async fn do_nudge(notify: &Notify, user_id: i64, now: i64) {
    if let Err(error) = try_nudge(notify, user_id, now).await {
        tracing::warn!(%error, user_id, "a nudge has to wait for the database");
    }
}

async fn try_nudge(notify: &Notify, user_id: i64, now: i64) -> store::Result<()> {
    let (store, topic) = (&notify.store, "nudge");
    let lease_until = now + limits::JOB_LEASE_MS;
    if store.job_begin(topic, user_id, lease_until, now).await? != Turn::Yours {
        return Ok(());
    }
    let done = unread::mail(notify, user_id, now).await;
    store.job_free(topic, user_id).await?;
    match done {
        Ok(()) => Ok(()),
        Err(Fault::Store(error)) => Err(error),
        Err(Fault::Later(why)) => {
            notify.counters.mails_put_off.add(1);
            tracing::info!(user_id, why, "a mail about messages will be tried again");
            store.nudge_postpone(user_id, now + limits::NUDGE_RETRY_MS).await
        }
        // The next message makes a new nudge, and the address has another chance.
        Err(Fault::Refused(why)) => {
            notify.counters.jobs_dead.add(1);
            tracing::error!(user_id, why, "a mail about messages is given up");
            store.nudge_drop(user_id, i64::MAX, now).await
        }
    }
}

#[cfg(test)]
mod unit {
    #[test]
    fn the_pauses_between_tries_grow() {
        let minutes = [1, 2, 3, 4].map(|attempts| super::retry_after_ms(attempts) / 60_000);
        assert_eq!(minutes, [1, 4, 16, 64]);
    }
}
